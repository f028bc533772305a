//! What the checkers are worth: histories written by hand, a wrong one of every kind
//! beside the right one that it looks like.

use std::slice;

use token_budget_pool::{Limits, Usd};

use crate::brute_force::some_order_explains;
use crate::checker::{check, Flaw};
use crate::operation::{answer, usage, Op};
use crate::oracle::{Answer, Bits, Oracle};
use crate::overlap::overlapping;
use crate::recorder::Event;
use crate::search::Search;

/// Thread, start, end, and what was run and answered.
type Line = (usize, u64, u64, (Op, Answer));

fn history(lines: &[Line]) -> Vec<Vec<Event>> {
    let mut history = vec![vec![]; 3];
    for (thread, start, end, (op, answer)) in lines.iter().cloned() {
        history[thread].push(Event {
            start,
            end,
            op,
            answer,
        });
    }
    history
}

fn search(limits: Limits, history: &[Vec<Event>]) -> bool {
    let window: Vec<&[Event]> = history.iter().map(Vec::as_slice).collect();
    Search::new(limits, window.len()).window(&window).is_ok()
}

const LIMITS: Limits = Limits::unlimited()
    .input_tokens(10)
    .output_tokens(6)
    .cost(Usd::from_nanos(100));

fn totals(input_tokens: u64, output_tokens: u64, calls: u64) -> Answer {
    Answer::Totals {
        input_tokens,
        output_tokens,
        cost_usd: Bits(0.0),
        calls,
    }
}

fn record(input: u64, output: u64, answer: Answer) -> (Op, Answer) {
    (Op::Record(input, output, 0), answer)
}

fn read(answer: Answer) -> (Op, Answer) {
    (Op::Totals, answer)
}

fn by_input(attempted: f64) -> Answer {
    Answer::BudgetExceeded {
        cap: "input_tokens",
        limit: Bits(10.0),
        attempted: Bits(attempted),
    }
}

#[track_caller]
fn right(lines: &[Line]) {
    let history = history(lines);
    check(LIMITS, &history).unwrap();
    assert!(search(LIMITS, &history));
    assert!(some_order_explains(LIMITS, &history));
}

#[track_caller]
fn wrong(lines: &[Line]) -> Box<Flaw> {
    let history = history(lines);
    assert!(!some_order_explains(LIMITS, &history));
    assert!(!search(LIMITS, &history));
    check(LIMITS, &history).unwrap_err()
}

#[test]
fn only_operations_that_run_at_once_overlap() {
    let at = |thread, start, end| (thread, start, end, read(totals(0, 0, 0)));
    let alone = [at(0, 1, 2), at(1, 2, 3), at(0, 4, 5)];
    assert_eq!(overlapping(&history(&alone)), 0);
    let around_two = [at(0, 1, 9), at(1, 2, 3), at(2, 4, 5), at(1, 9, 10)];
    assert_eq!(overlapping(&history(&around_two)), 3);
}

#[test]
fn accepted_records_in_any_order_that_time_allows_are_right() {
    right(&[
        (0, 1, 2, record(1, 0, totals(1, 0, 1))),
        (1, 3, 4, record(0, 2, totals(1, 2, 2))),
    ]);
    right(&[
        (0, 1, 4, record(1, 0, totals(1, 2, 2))),
        (1, 2, 3, record(0, 2, totals(0, 2, 1))),
    ]);
}

#[test]
fn a_lost_update_is_wrong() {
    let flaw = wrong(&[
        (0, 1, 3, record(1, 0, totals(1, 0, 1))),
        (1, 2, 4, record(2, 0, totals(2, 0, 1))),
    ]);
    assert!(matches!(*flaw, Flaw::Gap { place: 2, .. }), "{flaw}");
}

#[test]
fn an_update_that_nobody_made_is_wrong() {
    let flaw = wrong(&[
        (0, 1, 3, record(1, 0, totals(1, 0, 1))),
        (1, 2, 4, record(1, 0, totals(3, 0, 3))),
    ]);
    assert!(matches!(*flaw, Flaw::Gap { place: 2, .. }), "{flaw}");
}

#[test]
fn a_sum_that_misses_something_is_wrong() {
    let flaw = wrong(&[
        (0, 1, 3, record(1, 0, totals(1, 0, 1))),
        (1, 2, 4, record(2, 0, totals(2, 0, 2))),
    ]);
    assert!(matches!(*flaw, Flaw::Answer { .. }), "{flaw}");
}

#[test]
fn a_record_that_is_admitted_past_a_limit_is_wrong() {
    let to_the_limit = (0, 1, 2, record(10, 0, totals(10, 0, 1)));
    right(slice::from_ref(&to_the_limit));
    let flaw = wrong(&[to_the_limit, (1, 3, 4, record(1, 0, totals(11, 0, 2)))]);
    assert!(matches!(*flaw, Flaw::Answer { .. }), "{flaw}");
}

#[test]
fn an_order_against_time_is_wrong() {
    let flaw = wrong(&[
        (0, 1, 2, record(1, 0, totals(2, 0, 2))),
        (1, 3, 4, record(1, 0, totals(1, 0, 1))),
    ]);
    assert!(matches!(*flaw, Flaw::Time { .. }), "{flaw}");
}

#[test]
fn a_refusal_is_of_a_state_that_existed_meanwhile() {
    let history = |(start, end), attempted| {
        [
            (0, 1, 4, record(4, 0, totals(4, 0, 1))),
            (0, 5, 8, record(2, 0, totals(6, 0, 2))),
            (1, start, end, record(9, 0, by_input(attempted))),
        ]
    };
    right(&history((2, 3), 13.0));
    right(&history((6, 7), 13.0));
    right(&history((6, 7), 15.0));
    let tokens_that_nobody_spent = history((6, 7), 14.0);
    let what_is_spent_only_later = history((2, 3), 15.0);
    let what_was_spent_before = history((9, 10), 13.0);
    for history in [
        tokens_that_nobody_spent,
        what_is_spent_only_later,
        what_was_spent_before,
    ] {
        let flaw = wrong(&history);
        assert!(matches!(*flaw, Flaw::NoState { .. }), "{flaw}");
    }
}

#[test]
fn a_refusal_by_a_limit_that_had_room_is_wrong() {
    let history = |input, output, answer| {
        [
            (0, 1, 2, record(4, 0, totals(4, 0, 1))),
            (1, 3, 4, record(input, output, answer)),
        ]
    };
    let refusal = |cap, limit, attempted| Answer::BudgetExceeded {
        cap,
        limit: Bits(limit),
        attempted: Bits(attempted),
    };
    right(&history(7, 0, by_input(11.0)));
    right(&history(6, 7, refusal("output_tokens", 6.0, 7.0)));
    let it_fits = history(6, 0, by_input(10.0));
    let it_fits_this_limit = history(6, 7, by_input(10.0));
    let another_comes_first = history(7, 7, refusal("output_tokens", 6.0, 7.0));
    let not_its_limit = history(7, 0, refusal("input_tokens", 9.0, 11.0));
    for history in [
        it_fits,
        it_fits_this_limit,
        another_comes_first,
        not_its_limit,
    ] {
        let flaw = wrong(&history);
        assert!(matches!(*flaw, Flaw::NoState { .. }), "{flaw}");
    }
}

#[test]
fn a_read_is_of_a_state_that_existed_meanwhile() {
    let history = |(start, end), answer| {
        [
            (0, 1, 4, record(4, 1, totals(4, 1, 1))),
            (0, 5, 8, record(2, 2, totals(6, 3, 2))),
            (1, start, end, read(answer)),
        ]
    };
    right(&history((2, 3), totals(0, 0, 0)));
    right(&history((2, 3), totals(4, 1, 1)));
    right(&history((3, 6), totals(0, 0, 0)));
    right(&history((3, 6), totals(6, 3, 2)));
    let stale = history((5, 6), totals(0, 0, 0));
    let early = history((2, 3), totals(6, 3, 2));
    let torn = history((6, 7), totals(6, 1, 1));
    for history in [stale, early, torn] {
        let flaw = wrong(&history);
        assert!(matches!(*flaw, Flaw::NoState { .. }), "{flaw}");
    }
}

#[test]
fn what_is_seen_never_runs_backwards_in_one_thread_or_two() {
    let history = |[one, another]: [(usize, u64, u64); 2], [first, then]: [(Op, Answer); 2]| {
        [
            (0, 1, 9, record(4, 0, totals(4, 0, 1))),
            (one.0, one.1, one.2, first),
            (another.0, another.1, another.2, then),
        ]
    };
    let before = || [read(totals(0, 0, 0)), record(11, 0, by_input(11.0))];
    let after = || [read(totals(4, 0, 1)), record(11, 0, by_input(15.0))];
    let (mut one_after_the_other, mut at_once) = (Vec::new(), Vec::new());
    for another in [1, 2] {
        one_after_the_other.push([(1, 2, 3), (another, 4, 5)]);
    }
    at_once.push([(1, 2, 4), (2, 3, 5)]);
    for (before, after) in before()
        .into_iter()
        .flat_map(|before| after().map(|after| (before.clone(), after)))
    {
        for &when in &one_after_the_other {
            right(&history(when, [before.clone(), after.clone()]));
            let flaw = wrong(&history(when, [after.clone(), before.clone()]));
            assert!(matches!(*flaw, Flaw::NoState { .. }), "{flaw}");
        }
        for &when in &at_once {
            right(&history(when, [after.clone(), before.clone()]));
        }
    }
}

/// What a pool answers to `op` after others, of which the last `Reserve` is the caller's.
fn after(before: &[Op], op: Op) -> (Op, Answer) {
    let (mut pool, mut in_hand) = (Oracle::new(LIMITS, None), None);
    for op in before {
        answer(&mut pool, &mut in_hand, op);
    }
    let answer = answer(&mut pool, &mut in_hand, &op);
    (op, answer.expect("what it is about was reserved"))
}

/// Pairs of histories of operations whose answers do not say their place: a right one, and a
/// wrong one that differs in a single answer.
#[track_caller]
fn only_the_first(differ_in: [&[Op]; 2], lines: impl Fn(&[Op]) -> Vec<Line>) {
    for (before, is_right) in differ_in.into_iter().zip([true, false]) {
        let history = history(&lines(before));
        assert_eq!(some_order_explains(LIMITS, &history), is_right);
        assert_eq!(search(LIMITS, &history), is_right);
    }
}

const FOUR: Op = Op::Record(4, 0, 0);

#[test]
fn totals_of_before_a_reset_that_is_over_are_wrong() {
    only_the_first([&[], &[FOUR]], |seen| {
        vec![
            (0, 1, 2, after(&[], FOUR)),
            (1, 3, 4, after(&[FOUR], Op::Reset)),
            (0, 5, 6, after(seen, Op::Totals)),
        ]
    });
}

#[test]
fn a_record_that_a_reset_swallows_is_wrong() {
    // The reset is over before the record begins.
    only_the_first([&[FOUR], &[]], |seen| {
        vec![
            (1, 1, 2, after(&[], Op::Reset)),
            (0, 3, 4, after(&[], FOUR)),
            (0, 5, 6, after(seen, Op::Totals)),
        ]
    });
}

#[test]
fn a_period_that_two_take_is_wrong() {
    only_the_first([&[], &[FOUR]], |seen| {
        vec![
            (0, 1, 2, after(&[], FOUR)),
            (1, 3, 5, after(&[FOUR], Op::Take)),
            (2, 4, 6, after(seen, Op::Take)),
        ]
    });
}

#[test]
fn a_refusal_for_what_a_reset_cleared_is_wrong() {
    let seven = Op::Record(7, 0, 0);
    only_the_first([&[], &[FOUR]], |seen| {
        vec![
            (0, 1, 2, after(&[], FOUR)),
            (1, 3, 4, after(&[FOUR], Op::Reset)),
            (0, 5, 6, after(seen, seven)),
        ]
    });
}

#[test]
fn a_refusal_for_what_is_no_longer_reserved_is_wrong() {
    let reserve = Op::Reserve(usage(9, 0, 0));
    only_the_first([&[], &[reserve]], |seen| {
        vec![
            (0, 1, 2, after(&[], reserve)),
            (0, 3, 4, after(&[reserve], Op::Drop)),
            (1, 5, 6, after(seen, reserve)),
        ]
    });
}

#[test]
fn room_that_is_given_twice_is_wrong() {
    let reserve = Op::Reserve(usage(9, 0, 0));
    only_the_first([&[reserve], &[]], |seen| {
        vec![
            (0, 1, 3, after(&[], reserve)),
            (1, 2, 4, after(seen, reserve)),
        ]
    });
}

#[test]
fn a_settled_call_that_stays_reserved_is_wrong() {
    let reserve = Op::Reserve(usage(9, 0, 0));
    let settle = Op::Settle(usage(1, 0, 0));
    let another_reserved = [reserve, settle, Op::Reserve(usage(8, 0, 0))];
    only_the_first([&[reserve, settle], &another_reserved], |seen| {
        vec![
            (0, 1, 2, after(&[], reserve)),
            (0, 3, 4, after(&[reserve], settle)),
            (1, 5, 6, after(seen, Op::Snapshot)),
        ]
    });
}

#[test]
fn a_refusal_for_what_a_shrink_gave_back_is_wrong() {
    let reserve = Op::Reserve(usage(9, 0, 0));
    let shrink = Op::ShrinkTo(usage(2, 0, 0));
    let eight = Op::Reserve(usage(8, 0, 0));
    only_the_first([&[reserve, shrink], &[reserve]], |seen| {
        vec![
            (0, 1, 2, after(&[], reserve)),
            (0, 3, 4, after(&[reserve], shrink)),
            (1, 5, 6, after(seen, eight)),
        ]
    });
}

#[test]
fn a_released_call_that_is_counted_is_wrong() {
    let reserve = Op::Reserve(usage(9, 0, 0));
    only_the_first([&[reserve, Op::Release], &[reserve, Op::Forfeit]], |seen| {
        vec![
            (0, 1, 2, after(&[], reserve)),
            (0, 3, 4, after(&[reserve], Op::Release)),
            (1, 5, 6, after(seen, Op::Totals)),
        ]
    });
}

#[test]
fn a_call_that_is_judged_by_limits_of_before_is_wrong() {
    let raise = Op::SetLimits(Limits::unlimited().input_tokens(20));
    let eleven = Op::TryCharge(usage(11, 0, 0));
    only_the_first([&[raise], &[]], |seen| {
        vec![(0, 1, 2, after(&[], raise)), (1, 3, 4, after(seen, eleven))]
    });
}

#[test]
fn limits_that_are_changed_by_one_of_two_only_are_wrong() {
    let raise = Op::RaiseInput(5);
    only_the_first([&[raise], &[]], |seen| {
        vec![(0, 1, 3, after(&[], raise)), (1, 2, 4, after(seen, raise))]
    });
}
