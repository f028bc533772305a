//! Nodes that are made, given back and used again.

use super::case::{tree, Begin, Do};
use super::step::{Add, Give, Make, Peek, PeekAll};
use crate::sync::Event;

#[test]
pub(crate) fn two_make_the_first_nodes() {
    tree()
        .role([Make(&[1], 5)])
        .role([Make(&[2], 6)])
        .preemptions(2, 1)
        .check([360; 2], [200; 2], &[Event::Lost]);
}

#[test]
pub(crate) fn two_make_a_child() {
    tree()
        .setup([Do(Make(&[3], 9)), Do(Add(&[3], 1))])
        .role([Make(&[3, 1], 5)])
        .role([Make(&[3, 2], 6)])
        .preemptions(2, 1)
        .check([350; 2], [290; 2], &[Event::Lost, Event::Raised]);
}

#[test]
pub(crate) fn one_is_made_beside_a_reader() {
    tree()
        .setup([Do(Make(&[3], 9)), Do(Add(&[3], 1))])
        .role([Make(&[1], 5)])
        .role([PeekAll])
        .preemptions(2, 1)
        .check([130, 160], [260, 1_000], &[Event::Moved]);
}

#[test]
pub(crate) fn the_first_is_made_beside_a_reader() {
    tree()
        .role([Make(&[1], 5)])
        .role([PeekAll])
        .check([360, 1], [520, 1_000], &[Event::Moved]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn one_is_given_back_beside_an_update() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 9)), Do(Add(&[1], 1))])
        .role([Give(&[1])])
        .role([Add(&[1], 4), Add(&[2], 2)])
        .check([23, 2_600], [760, 5_000], &[Event::Lost]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn one_is_used_again_beside_an_old_path() {
    tree()
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Make(&[1, 3], 9)),
            Do(Add(&[1, 3], 1)),
        ])
        .role([Give(&[1, 3]), Make(&[2, 4], 5), Add(&[2, 4], 2)])
        .role([Add(&[1, 3], 4)])
        .check([1; 2], [1; 2], &[Event::Lost]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn one_is_used_again_beside_a_reader() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Give(&[1]), Make(&[2], 5)])
        .role([Peek(&[1])])
        .check([1_800, 960], [4_200, 3_300], &[Event::Moved]);
}

/// Its label is another one then, and its parent.
#[test]
#[ignore = "takes minutes"]
pub(crate) fn one_is_used_again_beside_a_reader_of_all() {
    tree()
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Make(&[1, 3], 9)),
            Do(Add(&[1, 3], 1)),
        ])
        .role([Give(&[1, 3]), Make(&[2, 4], 5)])
        .role([PeekAll])
        .check([1; 2], [1; 2], &[Event::Moved]);
}

#[test]
pub(crate) fn one_is_used_again_beside_a_late_raiser() {
    tree()
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[2], 1)),
        ])
        .role([])
        .role([Give(&[1]), Make(&[3], 5), Add(&[3], 2)])
        .preemptions(2, 1)
        .check([120, 1_100], [26, 270], &[Event::Lost, Event::Raised]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn one_is_used_again_beside_a_holder_and_a_reader() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1)), Begin(0, Add(&[1], 4))])
        .role([])
        .role([Give(&[1]), Make(&[2], 5)])
        .role([Peek(&[1])])
        .check([1; 6], [1; 6], &[Event::Lost]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn two_take_what_two_gave_back() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Make(&[2], 9))])
        .role([Give(&[1]), Make(&[3], 5)])
        .role([Give(&[2]), Make(&[4], 6)])
        .check([1; 2], [1; 2], &[Event::Lost]);
}

#[test]
pub(crate) fn two_take_what_was_given_back() {
    tree()
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Make(&[5], 9)),
            Do(Give(&[1])),
            Do(Give(&[2])),
        ])
        .role([Make(&[3], 5)])
        .role([Make(&[4], 6)])
        .preemptions(2, 1)
        .check([260; 2], [290; 2], &[Event::Lost]);
}

/// The new label is not to be seen with the old state.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes minutes")]
pub(crate) fn a_label_changes_beside_a_reader() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Give(&[1]), Make(&[2], 5)])
        .role([PeekAll])
        .check([3_200, 1_700], [6_900, 7_600], &[Event::Moved]);
}

#[test]
pub(crate) fn one_takes_what_another_gives_back() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Give(&[1])])
        .role([Make(&[2], 5)])
        .preemptions(2, 1)
        .check([120, 90], [68, 100], &[Event::Lost]);
}

#[test]
#[ignore = "takes minutes"]
pub(crate) fn one_takes_what_another_gives_back_beside_a_reader() {
    tree()
        .setup([Do(Make(&[1], 9)), Do(Add(&[1], 1))])
        .role([Give(&[1])])
        .role([Make(&[2], 5)])
        .role([PeekAll])
        .check([1; 6], [1; 6], &[Event::Moved]);
}

/// The node was once free before another one, which is in use now.
#[test]
#[ignore = "takes minutes"]
pub(crate) fn one_takes_two_while_one_is_given_back() {
    tree()
        .setup([
            Do(Make(&[1], 9)),
            Do(Make(&[2], 9)),
            Do(Give(&[2])),
            Do(Give(&[1])),
            Do(Make(&[3], 9)),
            Do(Make(&[4], 9)),
        ])
        .role([Give(&[3])])
        .role([Make(&[5], 5), Make(&[6], 6)])
        .check([1; 2], [1; 2], &[Event::Lost]);
}
