//! Further lanes of a register with nodes, and what nodes have for them.

use super::case::{tree, Begin, Do, Free, Hold};
use super::step::{Add, Limit, Make, Peek};
use crate::sync::Event;

#[test]
pub(crate) fn a_holder_comes_back() {
    tree()
        .limit(9)
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[1], 2)),
        ])
        .role([])
        .role([Add(&[1], 3), Add(&[2], 4)])
        .preemptions(2, 1)
        .check(
            [73, 100],
            [26, 110],
            &[Event::Lost, Event::Refused, Event::Detour],
        );
}

#[test]
pub(crate) fn a_holder_comes_back_exactly() {
    tree()
        .limit(9)
        .exactly()
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[1], 2)),
        ])
        .role([])
        .role([Add(&[1], 3), Add(&[2], 4)])
        .preemptions(2, 1)
        .check([76, 84], [73, 170], &[Event::Refused, Event::Detour]);
}

/// Its node's entry was carried, and then replaced.
#[test]
pub(crate) fn a_holder_comes_back_below() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[1, 2], 99)),
            Do(Make(&[1, 3], 99)),
            Do(Add(&[1, 2], 1)),
            Begin(0, Add(&[1, 2], 2)),
        ])
        .role([])
        .role([Add(&[1, 3], 4), Add(&[1, 2], 8)])
        .preemptions(2, 1)
        .check([94, 150], [34, 210], &[Event::Lost, Event::Raised]);
}

#[test]
#[ignore = "takes many seconds"]
pub(crate) fn a_holder_comes_back_beside_a_reader() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Add(&[1], 1)), Begin(0, Add(&[1], 2))])
        .role([])
        .role([Add(&[1], 4)])
        .role([Peek(&[1])])
        .check(
            [2_900, 2_900, 1_500, 1_500, 63, 63],
            [7_900, 7_900, 3_500, 3_500, 250, 250],
            &[Event::Lost, Event::Detour, Event::Moved],
        );
}

/// Both find that the node has none for their lanes.
#[test]
pub(crate) fn two_make_a_nodes_slots() {
    tree()
        .setup([Do(Make(&[1], 99)), Hold])
        .role([Add(&[1], 1)])
        .role([Add(&[1], 4)])
        .preemptions(2, 1)
        .check([510; 2], [570; 2], &[Event::Appended, Event::Detour]);
}

#[test]
pub(crate) fn a_reader_of_new_slots() {
    tree()
        .setup([Do(Make(&[1], 99)), Hold])
        .role([Add(&[1], 1), Add(&[1], 2)])
        .role([Peek(&[1]), Peek(&[1])])
        .preemptions(2, 1)
        .check([110, 1], [79, 95], &[Event::Appended, Event::Moved]);
}

/// An entry names a lane's slots of a node while the reader is at an older list.
#[test]
pub(crate) fn slots_that_a_reader_does_not_know() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Hold,
            Do(Add(&[1], 1)),
        ])
        .role([Add(&[1], 4), Add(&[2], 8)])
        .role([Peek(&[2])])
        .preemptions(2, 1)
        .check(
            [1_500, 1],
            [230, 370],
            &[Event::Appended, Event::NullReference, Event::Moved],
        );
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn lane_1_is_handed_over() {
    tree()
        .setup([Do(Make(&[1], 99)), Hold, Do(Add(&[1], 1))])
        .role([Add(&[1], 2)])
        .role([Add(&[1], 4), Add(&[1], 8)])
        .check([21, 4_600], [5_200, 10_000], &[Event::DetourHandedOver]);
}

#[test]
pub(crate) fn lane_1_is_handed_over_between_siblings() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Hold,
            Do(Add(&[1], 1)),
        ])
        .role([Add(&[2], 2)])
        .role([Add(&[1], 4)])
        .preemptions(2, 1)
        .check(
            [130; 2],
            [100; 2],
            &[Event::DetourHandedOver, Event::Raised],
        );
}

/// The holder of lane 0 reads a list of lane 1 that is being written again.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_torn_list() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Hold,
            Begin(1, Add(&[2], 2)),
            Free,
        ])
        .role([Add(&[1], 4), Add(&[2], 8)])
        .role([Add(&[1], 16)])
        .check([890, 190], [3_400, 11_000], &[Event::Lost, Event::Raised]);
}

/// It misses the entry, and the node's head is old: it names the slot that is not current.
#[test]
pub(crate) fn a_torn_list_misses_an_entry() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Hold,
            Do(Limit(&[], 90)),
            Free,
            Begin(0, Add(&[1], 2)),
        ])
        .role([])
        .role([Add(&[2], 4), Add(&[2], 8)])
        .check(
            [6, 430],
            [1_500, 690],
            &[Event::Lost, Event::Moved, Event::Raised],
        );
}

/// The same, with an update after it that would use what the holder has overwritten.
#[test]
#[ignore = "takes a minute"]
pub(crate) fn a_torn_list_and_the_slot_in_use() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Hold,
            Do(Limit(&[], 90)),
            Free,
            Begin(0, Add(&[1], 2)),
        ])
        .role([])
        .role([Add(&[2], 4), Add(&[2], 8), Add(&[1], 16)])
        .preemptions(2, 1)
        .check([1, 1], [1, 1], &[Event::Lost, Event::Moved, Event::Raised]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_torn_list_misses_an_entry_exactly() {
    tree()
        .exactly()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Hold,
            Do(Limit(&[], 90)),
            Free,
            Begin(0, Add(&[1], 2)),
        ])
        .role([])
        .role([Add(&[2], 4), Add(&[2], 8)])
        .check([9, 760], [3_500, 1_200], &[Event::Moved, Event::Raised]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn two_torn_lists() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[1], 2)),
            Do(Add(&[1], 4)),
            Begin(1, Add(&[2], 8)),
        ])
        .role([])
        .role([])
        .role([Add(&[2], 16)])
        .check([1; 6], [1; 6], &[Event::Lost]);
}
