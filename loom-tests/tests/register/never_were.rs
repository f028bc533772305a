//! Terms that never were.
//!
//! A holder can read, from a slot that another lane's holder writes, a reference to terms that
//! are never published: that holder's CAS fails. A line to store terms in must not be chosen by
//! such a reference.

use crate::case::{case, Begin, Case, Do, Free, Hold, Setup};
use crate::step::{Peek, Put, Raise, Step};
use crate::sync::Event;

/// Lane 1 is current, with its terms at home. `first` is begun in lane 0, then lane 1 is
/// updated.
fn lane_1_is_current(first: Step, then: &[Setup]) -> Case {
    let setup = [Hold, Do(Put(1)), Free, Begin(0, first)];
    case().one_amount().limit(5).setup([&setup, then].concat())
}

/// A change of terms was begun in lane 1 one head later, and then lane 2 has moved the head on.
const LANE_2_IS_CURRENT: [Setup; 3] = [Do(Put(2)), Begin(1, Raise(100)), Do(Put(4))];

#[test]
fn two_change_terms() {
    lane_1_is_current(Raise(10), &LANE_2_IS_CURRENT)
        .role([])
        .role([])
        .preemptions(3, 2)
        .check([780, 450], [1500, 5700], &[Event::TermsMoved]);
}

#[test]
#[ignore = "takes many seconds"]
pub(crate) fn two_change_terms_beside_a_reader() {
    lane_1_is_current(Raise(10), &LANE_2_IS_CURRENT)
        .role([])
        .role([])
        .role([Peek])
        .check(
            [6200, 5900, 16_000, 10_000, 730, 730],
            [3800, 3800, 10_000, 10_000, 1100, 1100],
            &[Event::TermsMoved],
        );
}

/// The same, where nothing but the Acquire fence shows the holder of lane 0 that the head has
/// moved.
#[test]
#[ignore = "takes many seconds"]
pub(crate) fn only_the_fence_shows_it() {
    lane_1_is_current(Raise(10), &[Begin(1, Put(2)), Begin(2, Put(4))])
        .role([])
        .role([Raise(100)])
        .role([])
        .preemptions(1, 1)
        .check(
            [190, 190, 11_000, 11_000, 560, 560],
            [2_000, 2_000, 38_000, 38_000, 3900, 3900],
            &[Event::TermsMoved],
        );
}

/// The holder of lane 0 does not change terms, but brings them home.
#[test]
fn they_do_not_go_home() {
    lane_1_is_current(Put(16), &LANE_2_IS_CURRENT)
        .role([])
        .role([])
        .preemptions(3, 2)
        .check([300, 380], [800, 2300], &[Event::TermsMoved]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes tens of seconds")]
pub(crate) fn only_the_fence_keeps_them_from_home() {
    lane_1_is_current(Put(16), &[Begin(1, Put(2)), Begin(2, Put(4))])
        .role([])
        .role([Raise(100)])
        .role([])
        .preemptions(1, 1)
        .check(
            [110, 110, 6200, 6200, 120, 120],
            [830, 830, 21_000, 21_000, 1200, 1200],
            &[Event::Moved],
        );
}
