//! The hot paths, for `.ci/instructions` to count their instructions under callgrind: a
//! count that noise cannot touch.
//!
//! Runs one path so many times: `instructions PATH TIMES`, or lists the paths. All calls of
//! a path are made inside one function that is not inlined and carries its name, so that
//! callgrind can count just that.
//!
//! A detour is not among the paths. It takes a thread that is suspended inside a call, which no
//! program can arrange by itself.

#[allow(dead_code)] // The rivals' own parts, which are not counted.
#[path = "../examples/compare/rivals/mod.rs"]
mod rivals;

use std::hint::black_box;

use rivals::ours::{Record, Reserve, TryCharge};
use rivals::trees::Charge;
use rivals::{Budget, Call, Readable, Reserving, Room, Tree, CALL, ESTIMATE};

macro_rules! counted {
    ($($name:ident($pool:ident: $budget:ty) $call:expr;)+) => {$(
        #[inline(never)]
        fn $name($pool: &$budget, times: u32) {
            for _ in 0..times {
                black_box($call);
            }
        }
    )+};
}

counted! {
    counted_try_charge(pool: TryCharge) pool.record(black_box(&CALL));
    counted_record(pool: Record) pool.record(black_box(&CALL));
    counted_totals(pool: TryCharge) pool.totals();
    counted_reserve_settle(pool: Reserve)
        pool.reserve_and_settle(black_box(&ESTIMATE), black_box(&CALL));
}

#[inline(never)]
fn counted_tree_charge(charge: &impl Fn(&Call) -> u64, times: u32) {
    for _ in 0..times {
        black_box(charge(black_box(&CALL)));
    }
}

type Path = (&'static str, &'static str, fn(u32));

/// What is counted, in which function, and how.
const PATHS: [Path; 7] = [
    ("accept_try_charge", "counted_try_charge", |times| {
        counted_try_charge(&TryCharge::new(Room::Plenty), times)
    }),
    ("accept_record", "counted_record", |times| {
        counted_record(&Record::new(Room::Plenty), times)
    }),
    ("reject_try_charge", "counted_try_charge", |times| {
        counted_try_charge(&TryCharge::new(Room::TooLittle), times)
    }),
    ("reject_record", "counted_record", |times| {
        counted_record(&Record::new(Room::TooLittle), times)
    }),
    ("totals", "counted_totals", |times| {
        counted_totals(&TryCharge::new(Room::Plenty), times)
    }),
    ("reserve_settle", "counted_reserve_settle", |times| {
        counted_reserve_settle(&Reserve::new(Room::Plenty), times)
    }),
    ("tree_charge", "counted_tree_charge", |times| {
        counted_tree_charge(&Charge::<3>::new(1).spender(0), times)
    }),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let run = match &args[..] {
        [path, times] => Option::zip(
            PATHS.iter().find(|(name, ..)| name == path),
            times.parse().ok(),
        ),
        _ => None,
    };
    match run {
        Some(((_, _, run), times)) => run(times),
        // Also what `cargo bench` and `cargo bench -- --test` come to.
        None => {
            for (path, function, _) in PATHS {
                println!("{path} {function}");
            }
        }
    }
}
