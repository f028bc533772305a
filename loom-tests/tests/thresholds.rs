//! Thresholds that several threads cross together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use token_budget_pool::crossing::{run, Op};
use token_budget_pool::exhaust::{loom, orders};

const GHOST: bool = cfg!(feature = "ghost");

/// Explores it in both orders of its threads, of which each has at least so many executions: under the plain
/// shim, and under the ghost shim.
#[track_caller]
fn check(
    programs: [Vec<Op>; 2],
    below: bool,
    preemptions: usize,
    plain: [u64; 2],
    ghost: [u64; 2],
) {
    let least = if GHOST { ghost } else { plain };
    let mut all = vec![];
    for order in orders(programs.len()) {
        let executions = Arc::new(AtomicU64::new(0));
        let (programs, counted) = (programs.clone(), executions.clone());
        loom(Some(if GHOST { 1 } else { preemptions })).check(move || {
            run(&programs, &order, below);
            counted.fetch_add(1, Ordering::Relaxed);
        });
        all.push(executions.load(Ordering::Relaxed));
    }
    println!("SUMMARY {:?} {all:?}", std::thread::current().name());
    for (executions, least) in all.iter().zip(least) {
        assert!(*executions >= least, "TOO LITTLE EXPLORED: {all:?}");
    }
}

#[test]
fn the_second_of_two_crosses() {
    let programs = [vec![Op::Charge(3)], vec![Op::Charge(4)]];
    check(programs, false, 2, [97, 97], [65, 65]);
}

/// Only two of them fit.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
fn one_of_those_that_fit_crosses() {
    let programs = [
        vec![Op::TryCharge(6)],
        vec![Op::TryCharge(4), Op::TryCharge(3)],
    ];
    check(programs, false, 1, [19, 27750], [1, 1]);
}

#[test]
fn once_in_each_period() {
    let programs = [vec![Op::Charge(6)], vec![Op::Charge(7), Op::Take]];
    check(programs, false, 1, [19, 2847], [470, 5568]);
}

#[test]
fn siblings_cross_the_roots() {
    let programs = [vec![Op::Charge(3)], vec![Op::Charge(4)]];
    check(programs, true, 2, [120, 120], [95, 95]);
}
