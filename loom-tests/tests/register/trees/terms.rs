//! Limits of nodes, and resets.

use super::case::{tree, Begin, Do, Free, Hold};
use super::step::{Add, Limit, Make, Peek, Reset};
use crate::sync::Event;

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_limit_changes_beside_updates() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 3))])
        .role([Limit(&[1], 9), Add(&[1], 2)])
        .role([Add(&[1], 4)])
        .check([4_100, 6], [4_400, 790], &[Event::Refused, Event::Lost]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_limit_changes_beside_a_sibling() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 3)), Do(Make(&[2], 9)), Do(Add(&[1], 2))])
        .role([Limit(&[1], 9), Reset(&[1])])
        .role([Add(&[2], 4)])
        .check([1_900, 20], [3_900, 540], &[Event::Lost, Event::Raised]);
}

#[test]
pub(crate) fn limits_of_two_levels_change() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 3)), Do(Make(&[1, 2], 9)), Do(Add(&[1, 2], 2))])
        .role([Limit(&[1], 9)])
        .role([Add(&[1, 2], 4)])
        .preemptions(2, 1)
        .check([100, 24], [87, 130], &[Event::Refused]);
}

#[test]
pub(crate) fn two_limits_change() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 3)), Do(Make(&[2], 5))])
        .role([Limit(&[1], 9)])
        .role([Limit(&[2], 6)])
        .preemptions(2, 1)
        .check([100; 2], [100, 110], &[Event::Lost, Event::TermsMoved]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn a_limit_changes_twice_beside_a_reader() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 3)), Do(Limit(&[1], 4))])
        .role([Limit(&[1], 5), Limit(&[1], 6)])
        .role([Peek(&[1])])
        .check([3_300, 1], [7_800, 3_700], &[Event::Moved]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn a_limit_changes_twice_beside_one_that_is_refused() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 3)), Do(Limit(&[1], 4))])
        .role([Limit(&[1], 5), Limit(&[1], 6)])
        .role([Add(&[1], 7)])
        .check([1; 2], [1; 2], &[Event::Moved]);
}

#[test]
pub(crate) fn a_limit_changes_in_two_lanes() {
    tree()
        .limit(99)
        .setup([
            Do(Make(&[1], 3)),
            Do(Limit(&[1], 4)),
            Begin(0, Limit(&[1], 5)),
        ])
        .role([])
        .role([Limit(&[1], 6), Limit(&[1], 7)])
        .preemptions(2, 1)
        .check([94, 99], [100, 230], &[Event::TermsMoved, Event::Detour]);
}

/// The holder of lane 0 reads a reference to a line that the holder of lane 1 stored and did not publish.
/// The line that it may write is not to be chosen by it.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn terms_that_never_were() {
    tree()
        .limit(99)
        .setup([
            Do(Make(&[1], 3)),
            Do(Add(&[1], 1)),
            Hold,
            Do(Add(&[1], 1)),
            Do(Add(&[1], 1)),
            Begin(2, Limit(&[1], 4)),
            Free,
            Begin(0, Limit(&[1], 5)),
        ])
        .role([])
        .role([Add(&[1], 8)])
        .role([Peek(&[1])])
        .check(
            [340, 340, 410, 410, 2_200, 2_200],
            [1; 6],
            &[Event::TermsMoved],
        );
}

#[test]
pub(crate) fn a_reset_beside_an_update_through_it() {
    tree()
        .limit(9)
        .setup([Do(Make(&[1], 9)), Do(Make(&[1, 2], 9)), Do(Add(&[1, 2], 5))])
        .role([Reset(&[1])])
        .role([Add(&[1, 2], 3)])
        .preemptions(2, 1)
        .check([100, 90], [48, 46], &[Event::Lost]);
}

#[test]
pub(crate) fn a_reset_beside_an_update_through_it_exactly() {
    tree()
        .limit(9)
        .exactly()
        .setup([Do(Make(&[1], 7)), Do(Make(&[1, 2], 9)), Do(Add(&[1, 2], 5))])
        .role([Reset(&[1])])
        .role([Add(&[1, 2], 3)])
        .preemptions(2, 1)
        .check([85, 24], [77, 96], &[Event::Refused]);
}
