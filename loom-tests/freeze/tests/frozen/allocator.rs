//! The system's allocator, which tells when a thread is in it.
//!
//! It may lock, and a thread that is frozen with that lock stops everybody who allocates.
//! That is no fault of a pool, so nobody is frozen there.

use std::alloc::{GlobalAlloc, Layout, System};

use token_budget_pool::place::{self, Place};

struct Marked;

// SAFETY: it hands every call on to the system's allocator and returns what that says.
unsafe impl GlobalAlloc for Marked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        place::at(Place::Allocator, || unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the same.
        place::at(Place::Allocator, || unsafe {
            System.dealloc(memory, layout)
        })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        place::at(Place::Allocator, || unsafe {
            System.realloc(memory, layout, size)
        })
    }
}

#[global_allocator]
static ALLOCATOR: Marked = Marked;
