//! The library's own files, compiled against atomics that note where a thread is.
//!
//! `sync` is a module of this package in place of the library's of the same name and
//! shape. Everything else is included from there as it is.
//!
//! `tests/frozen` stops and interrupts threads wherever a signal catches them, and needs to know
//! where that was: see [`place`].

include!("../../src/library.rs");

pub mod linger;
pub mod place;
mod sync;
