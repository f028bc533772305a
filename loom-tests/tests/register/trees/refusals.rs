//! Refusals at some level of a path.

use super::case::{tree, Do, Refused};
use super::step::{Add, Make, Reset};
use crate::sync::Event;

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn refused_beside_a_sibling() {
    tree()
        .limit(99)
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 9)), Do(Add(&[1], 8))])
        .role([Add(&[1], 3)])
        .role([Add(&[2], 2), Reset(&[1])])
        .check([6, 3_900], [1_100, 7_000], &[Event::Refused, Event::Raised]);
}

#[test]
pub(crate) fn refused_without_a_claim() {
    tree()
        .limit(99)
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Add(&[1], 8)),
            Refused(0),
        ])
        .role([Add(&[1], 3)])
        .role([Add(&[2], 2), Reset(&[1])])
        .check(
            [400, 600],
            [1_600, 890],
            &[Event::Refused, Event::LookedFirst],
        );
}

#[test]
pub(crate) fn refused_by_two_levels() {
    tree()
        .limit(9)
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[1, 2], 9)),
            Do(Add(&[1, 2], 8)),
            Refused(0),
        ])
        .role([Add(&[1, 2], 3)])
        .role([Reset(&[1, 2]), Reset(&[])])
        .check(
            [400, 580],
            [1_700, 790],
            &[Event::Refused, Event::LookedFirst],
        );
}

#[test]
pub(crate) fn two_are_refused() {
    tree()
        .limit(9)
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Add(&[1], 8)),
            Refused(0),
            Refused(1),
        ])
        .role([Add(&[1], 3)])
        .role([Add(&[2], 2), Reset(&[])])
        .preemptions(2, 1)
        .check([1, 3], [13, 21], &[Event::Refused, Event::LookedFirst]);
}
