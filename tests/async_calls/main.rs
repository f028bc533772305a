//! Async truth: thousands of tasks that reserve, call a provider that is slow, fails, panics or
//! never answers, stream reports, and are aborted at any await there is, before and after the
//! request is out. In the end nothing is reserved. What is spent is what the tasks themselves
//! entered into their books (`books.rs`), to the last token.
//!
//! What happens to a task is drawn from a seed, which is printed: `SEED=... cargo test
//! --test async_calls` draws the same again. Which thread comes first is still up to the machine,
//! and the sums must not depend on it. Time decides nothing either. A "latency" is a number of
//! turns that a task gives away, and a time-out is a timer that a task races, with either outcome
//! counted as it happened.

mod aborts;
mod limits;
mod overruns;

mod books;
mod call;
mod plan;
mod run;
