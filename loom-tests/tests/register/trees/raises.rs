//! Heads of nodes: raised by several threads, of which some are late.

use super::case::{tree, Begin, Do, Free, Hold};
use super::step::{Add, Make, Peek};
use crate::sync::Event;

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn paths_change() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99))])
        .role([Add(&[1], 1), Add(&[2], 2)])
        .role([Add(&[2], 8)])
        .check([4_000, 17], [11_000, 880], &[Event::Lost, Event::Raised]);
}

/// It raises from a head of before the node was updated again.
#[test]
pub(crate) fn a_late_raiser() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[2], 2)),
        ])
        .role([])
        .role([Add(&[1], 4), Add(&[2], 8), Add(&[1], 16)])
        .preemptions(2, 1)
        .check([210, 2_800], [72, 320], &[Event::Lost, Event::Raised]);
}

#[test]
pub(crate) fn a_late_raiser_exactly() {
    tree()
        .exactly()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[2], 2)),
        ])
        .role([])
        .role([Add(&[1], 4), Add(&[2], 8), Add(&[1], 16)])
        .check([16, 1_400], [1_700, 560], &[Event::Lost, Event::Raised]);
}

/// The node's head names the slot of the first displacement when it is displaced again. If it were not
/// raised then, the late one would move it back.
#[test]
pub(crate) fn a_late_raiser_to_where_it_is() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Do(Add(&[2], 1)),
            Do(Add(&[1], 1)),
            Hold,
            Begin(1, Add(&[2], 2)),
            Free,
        ])
        .role([Add(&[1], 4), Add(&[2], 8)])
        .role([])
        .check([370, 8], [920, 650], &[Event::Lost, Event::Raised]);
}

/// One of them is late.
#[test]
#[ignore = "takes minutes"]
pub(crate) fn two_raisers() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[2], 2)),
            Do(Add(&[1], 4)),
        ])
        .role([])
        .role([Add(&[2], 8)])
        .role([Add(&[1], 16)])
        .check(
            [1; 6],
            [1; 6],
            &[Event::Lost, Event::Raised, Event::RaiseLost],
        );
}

#[test]
pub(crate) fn two_raise_the_same() {
    tree()
        .setup([
            Do(Make(&[1], 99)),
            Do(Make(&[2], 99)),
            Do(Make(&[3], 99)),
            Do(Add(&[1], 1)),
            Begin(0, Add(&[2], 2)),
        ])
        .role([])
        .role([Add(&[3], 8), Add(&[1], 16)])
        .preemptions(2, 1)
        .check(
            [150, 200],
            [39, 220],
            &[Event::Lost, Event::Raised, Event::RaiseLost],
        );
}

#[test]
pub(crate) fn a_raiser_beside_a_reader() {
    tree()
        .setup([Do(Make(&[1], 99)), Do(Make(&[2], 99)), Do(Add(&[2], 1))])
        .role([Add(&[1], 2), Add(&[2], 4)])
        .role([Peek(&[1])])
        .preemptions(2, 1)
        .check(
            [170, 97],
            [300, 400],
            &[Event::Raised, Event::Moved, Event::NodeNewer],
        );
}
