//! Pools below pools.

#[path = "../support/amounts.rs"]
#[allow(dead_code)]
mod amounts;

mod children;
