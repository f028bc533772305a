//! Pools below pools.

#[path = "../support/amounts.rs"]
mod amounts;

mod children;
