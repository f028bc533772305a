//! The library's own files, compiled against atomics that tell where a thread is.
//!
//! `sync` is a module of this package in place of the library's of the same name and
//! shape. Everything else is included from there as it is.
//!
//! `tests/frozen` stops threads wherever a signal catches them, and needs to know where
//! that was: see [`place`].

include!("../../src/library.rs");

#[path = "../../../src/this_thread.rs"]
mod this_thread;

pub mod linger;
pub mod place;
mod sync;
