//! Readers of nodes beside updates.

use super::case::{tree, Do};
use super::step::{Add, Ask, Look, Make, Open, Peek, PeekAll, Renew, Signal, Take};
use crate::sync::Event;

#[test]
pub(crate) fn a_reader_of_a_node() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Add(&[1], 2), Add(&[1], 4)])
        .role([Peek(&[1])])
        .check(
            [260, 150],
            [480, 630],
            &[Event::Moved, Event::OverwrittenWhileRead],
        );
}

#[test]
pub(crate) fn a_reader_of_all() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Add(&[1], 2), Add(&[1], 4)])
        .role([PeekAll])
        .check(
            [260, 150],
            [490, 800],
            &[Event::Moved, Event::OverwrittenWhileRead],
        );
}

/// The child is made in a slot that the reader may be looking at: the root's last sum is not to be seen with a
/// later limit. Only the fence of the slow way prevents it, since that of the other way is not reached without a
/// list. (The node was taken before, by another thread: that has a fence too.)
#[test]
pub(crate) fn a_reader_of_the_root_beside_the_first_child() {
    tree()
        .setup([Do(Take(&[1])), Do(Add(&[], 1))])
        .role([Renew(&[], 90), Open(&[1], 9)])
        .role([PeekAll])
        .preemptions(2, 1)
        .check(
            [1_300, 1],
            [200, 320],
            &[Event::Moved, Event::OverwrittenWhileRead],
        );
}

#[test]
pub(crate) fn a_reader_of_all_beside_siblings() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99)), Do(Add(&[1], 1))])
        .role([Add(&[2], 2), Add(&[1], 4)])
        .role([PeekAll])
        .check([660, 350], [1_300, 1_800], &[Event::Moved, Event::Raised]);
}

/// The answer, no or yes, holds for one moment.
#[test]
pub(crate) fn a_reader_of_a_path() {
    tree()
        .limit(9)
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 7)), Do(Add(&[1], 1))])
        .role([Add(&[1], 3), Add(&[2], 4)])
        .role([Ask(&[2], 6)])
        .preemptions(2, 1)
        .check(
            [110, 79],
            [200, 320],
            &[Event::Moved, Event::Raised, Event::Refused],
        );
}

#[test]
pub(crate) fn a_reader_of_a_grandchild() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[1, 2], 99)),
            Do(Add(&[1, 2], 1)),
        ])
        .role([Add(&[1, 2], 2), Add(&[1], 4)])
        .role([Peek(&[1, 2]), Peek(&[1])])
        .check([950, 1_100], [700, 4_400], &[Event::Moved]);
}

/// What was signalled to it happened before.
#[test]
pub(crate) fn a_reader_that_was_told() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99)), Do(Add(&[1], 1))])
        .role([Add(&[2], 2), Signal])
        .role([Look, Peek(&[2])])
        .preemptions(2, 1)
        .check([6, 7], [15, 27], &[Event::Raised]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn a_reader_and_two_writers() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99))])
        .role([Add(&[1], 1)])
        .role([Add(&[2], 2)])
        .role([PeekAll])
        .check([1; 6], [1; 6], &[Event::Moved]);
}

#[test]
pub(crate) fn a_reader_that_claims() {
    tree()
        .looks(1)
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Add(&[1], 2), Add(&[1], 4)])
        .role([Peek(&[1])])
        .check(
            [720, 390],
            [1_000, 1_600],
            &[Event::Moved, Event::ReaderClaimed],
        );
}

#[test]
pub(crate) fn a_reader_of_all_that_claims() {
    tree()
        .looks(1)
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Add(&[1], 2), Add(&[1], 4)])
        .role([PeekAll])
        .check([720, 390], [1_100, 2_000], &[Event::Moved]);
}

/// While it holds a lane, others go round it.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_reader_of_all_that_claims_looks_too_late() {
    tree()
        .looks(0)
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1))])
        .role([Add(&[1], 2), Add(&[1], 4)])
        .role([PeekAll])
        .check([3_500, 6], [6_400, 2_900], &[Event::Moved, Event::Detour]);
}

#[test]
pub(crate) fn one_asks_and_claims() {
    tree()
        .looks(1)
        .limit(9)
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Add(&[1], 2), Add(&[1], 4)])
        .role([Ask(&[1], 6)])
        .check([720, 390], [1_100, 1_600], &[Event::Moved]);
}
