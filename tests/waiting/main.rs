//! Those that wait for room, or until no call is in flight: `reserve().await`, `idle().await`.
//!
//! The futures are polled by hand, so that each test says who has asked, and who was woken.

mod by_hand;
mod ends;
mod errors;
mod idle;
mod lines;
mod oracle;
mod storm;
mod tree_oracle;
mod trees;
mod wakers;
