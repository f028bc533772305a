//! An operation that unwinds within a tree.

use super::case::{tree, Do};
use super::step::{Add, Make, Peek, Unwind};
use crate::sync::Event;

#[test]
pub(crate) fn a_holder_unwinds() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Unwind(&[1], 8), Add(&[1], 2)])
        .role([Add(&[1], 4), Peek(&[1])])
        .preemptions(2, 1)
        .check([40, 120], [160, 530], &[Event::Unwound]);
}

#[test]
pub(crate) fn a_holder_unwinds_beside_a_sibling() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99)), Do(Add(&[1], 1))])
        .role([Unwind(&[2], 8), Add(&[1], 2)])
        .role([Add(&[2], 4)])
        .preemptions(2, 1)
        .check([40, 27], [150, 75], &[Event::Unwound, Event::Raised]);
}

#[test]
pub(crate) fn a_holder_unwinds_exactly() {
    tree()
        .exactly()
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Unwind(&[1], 8), Add(&[1], 2)])
        .role([Add(&[1], 4)])
        .preemptions(2, 1)
        .check([45, 27], [500, 130], &[Event::Unwound]);
}
