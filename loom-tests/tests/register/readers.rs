//! Readers and refusals, which read one state while others write.

use crate::case::{case, Begin, Do};
use crate::step::{Add, Peek, Put};
use crate::sync::Event;

/// One slot is current, and the writer writes the other and then this one again, which a slow
/// reader still reads.
#[test]
fn a_writer_and_a_reader() {
    case()
        .setup([Do(Put(1))])
        .role([Put(2), Put(4)])
        .role([Peek])
        .check(
            [460, 82],
            [2700, 390],
            &[Event::OverwrittenWhileRead, Event::Moved],
        );
}

#[test]
fn a_writer_and_a_reader_exactly() {
    case()
        .exactly()
        .setup([Do(Put(1))])
        .role([Put(2), Put(4)])
        .role([Peek])
        .check([460, 1], [4400, 370], &[Event::OverwrittenWhileRead]);
}

/// A second read goes no further back.
#[test]
fn a_writer_and_two_reads() {
    case().role([Put(2), Put(4)]).role([Peek, Peek]).check(
        [1800, 330],
        [7400, 1200],
        &[Event::Moved],
    );
}

/// In place of the reader one that is refused. The writer takes a detour round its lane.
#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
fn a_writer_and_one_that_is_refused() {
    case()
        .limit(9)
        .setup([Do(Put(1))])
        .role([Put(2), Put(4)])
        .role([Add(9)])
        .preemptions(2, 1)
        .check([20_000, 150], [1800, 390], &[Event::Refused, Event::Moved]);
}

/// The same where a slot is written again while the refused thread reads it.
#[test]
fn one_that_is_refused_reads_a_slot_written_again() {
    case()
        .one_amount()
        .limit(9)
        .setup([Begin(1, Add(9)), Do(Put(1)), Begin(0, Put(2))])
        .role([Put(4)])
        .role([])
        .check(
            [110, 100],
            [1300, 850],
            &[Event::OverwrittenWhileRead, Event::Refused],
        );
}

#[test]
pub(crate) fn two_are_refused() {
    case()
        .limit(9)
        .setup([Do(Put(1))])
        .role([Put(2), Add(8)])
        .role([Add(9), Put(4)])
        .preemptions(2, 1)
        .check([4400, 1600], [2800, 2_000], &[Event::Refused]);
}

/// A reader that looks once, and then claims a lane.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_reader_that_claims() {
    case()
        .looks(1)
        .setup([Do(Put(1))])
        .role([Put(2), Put(4)])
        .role([Peek, Peek])
        .check([9500, 1200], [28_000, 4300], &[Event::ReaderClaimed]);
}

/// One that claims at once: then a writer takes a detour, and the head moves under the claim.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_reader_that_claims_at_once() {
    case()
        .looks(0)
        .setup([Do(Put(1))])
        .role([Put(2), Put(4)])
        .role([Peek])
        .check(
            [6600, 81],
            [34_000, 1400],
            &[Event::ReaderClaimed, Event::Moved],
        );
}

/// The same where lane 0 is held by one that comes back.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_reader_that_claims_beside_a_holder_that_comes_back() {
    case()
        .one_amount()
        .looks(1)
        .setup([Do(Put(1)), Begin(0, Put(2))])
        .role([])
        .role([Put(4)])
        .role([Peek])
        .preemptions(1, 1)
        .check(
            [1600, 1600, 680, 680, 110, 110],
            [3100, 3100, 1200, 1200, 340, 340],
            &[Event::ReaderClaimed],
        );
}
