//! Updates of paths: the same one, siblings, other parents, one a part of the other.

use super::case::{tree, Do};
use super::step::{Add, Make};
use crate::sync::Event;

#[test]
pub(crate) fn the_same_path() {
    tree()
        .limit(4)
        .setup([Do(Make(&[1], 9)), Do(Make(&[1, 2], 9))])
        .role([Add(&[1, 2], 1)])
        .role([Add(&[1, 2], 4)])
        .preemptions(2, 1)
        .check([16; 2], [60; 2], &[Event::Lost, Event::Refused]);
}

#[test]
pub(crate) fn the_same_path_exactly() {
    tree()
        .limit(4)
        .exactly()
        .setup([Do(Make(&[1], 9)), Do(Make(&[1, 2], 9))])
        .role([Add(&[1, 2], 1)])
        .role([Add(&[1, 2], 4)])
        .preemptions(2, 1)
        .check([90; 2], [130; 2], &[Event::Lost, Event::Refused]);
}

/// The root refuses the last of them.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn siblings() {
    tree()
        .limit(9)
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 9))])
        .role([Add(&[1], 1), Add(&[1], 2)])
        .role([Add(&[2], 4), Add(&[2], 3)])
        .check(
            [4_400, 2_500],
            [1; 2],
            &[Event::Lost, Event::Refused, Event::Raised],
        );
}

#[test]
pub(crate) fn siblings_exactly() {
    tree()
        .limit(6)
        .exactly()
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 9)), Do(Add(&[1], 2))])
        .role([Add(&[1], 1)])
        .role([Add(&[2], 4)])
        .preemptions(2, 1)
        .check(
            [90; 2],
            [98, 95],
            &[Event::Lost, Event::Refused, Event::Raised],
        );
}

/// What one is refused by its own limit is not in the other's way.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn siblings_under_a_tight_root() {
    tree()
        .limit(5)
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 2))])
        .role([Add(&[1], 3), Add(&[1], 2)])
        .role([Add(&[2], 3)])
        .check([4_400, 6], [7_800, 1_300], &[Event::Lost, Event::Refused]);
}

/// Two nodes below one that refuses.
#[test]
pub(crate) fn cousins() {
    tree()
        .limit(99)
        .setup([
            Do(Make(&[1], 4)),
            Do(Make(&[1, 2], 9)),
            Do(Make(&[1, 3], 9)),
        ])
        .role([Add(&[1, 2], 1)])
        .role([Add(&[1, 3], 4)])
        .preemptions(2, 1)
        .check(
            [100; 2],
            [56, 54],
            &[Event::Lost, Event::Refused, Event::Raised],
        );
}

/// Two entries are displaced at once.
#[test]
pub(crate) fn two_parents() {
    tree()
        .limit(4)
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Make(&[1, 3], 9)),
            Do(Make(&[2, 4], 9)),
        ])
        .role([Add(&[1, 3], 1)])
        .role([Add(&[2, 4], 4)])
        .preemptions(2, 1)
        .check(
            [100; 2],
            [50, 48],
            &[Event::Lost, Event::Refused, Event::Raised],
        );
}

/// The child's entry is carried.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn a_parent_and_its_child() {
    tree()
        .limit(99)
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[1, 2], 99)),
            Do(Add(&[1, 2], 1)),
        ])
        .role([Add(&[1, 2], 1), Add(&[1], 2)])
        .role([Add(&[1], 4)])
        .check([4_400, 20], [8_500, 1_000], &[Event::Lost]);
}

#[test]
pub(crate) fn the_root_and_a_child() {
    tree()
        .limit(9)
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Add(&[], 1)])
        .role([Add(&[1], 4), Add(&[1], 3)])
        .check([17, 520], [110, 1_100], &[Event::Lost]);
}

#[test]
pub(crate) fn the_root_and_a_child_exactly() {
    tree()
        .limit(9)
        .exactly()
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Add(&[], 1)])
        .role([Add(&[1], 4), Add(&[1], 5)])
        .preemptions(2, 1)
        .check([190, 1_100], [88, 1_500], &[Event::Lost, Event::Refused]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn three_writers() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99))])
        .role([Add(&[1], 1)])
        .role([Add(&[2], 2)])
        .role([Add(&[1], 4)])
        .check(
            [1; 6],
            [1; 6],
            &[Event::Lost, Event::Held, Event::Appended, Event::Raised],
        );
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn the_same_child_twice() {
    tree()
        .limit(9)
        .setup([Do(Make(&[1], 9))])
        .role([Add(&[1], 1)])
        .role([Add(&[1], 4), Add(&[1], 5)])
        .check(
            [17, 8_500],
            [1_900, 16_000],
            &[Event::Lost, Event::Refused, Event::HandedOver],
        );
}
