//! Further lanes: appended, followed, handed over.

use crate::case::{case, Begin, Do, Free, FreeAtOnce, Hold};
use crate::step::{Limit, Peek, Put};
use crate::sync::Event;

#[test]
fn two_append_a_lane() {
    case()
        .setup([Hold])
        .role([Put(1)])
        .role([Put(2)])
        .preemptions(3, 2)
        .check([75; 2], [560; 2], &[Event::AppendLost, Event::Detour]);
}

#[test]
pub(crate) fn two_append_a_lane_beside_a_reader() {
    case()
        .one_amount()
        .setup([Hold])
        .role([Put(1)])
        .role([Put(2)])
        .role([Peek])
        .check(
            [1200, 1_000, 1200, 1_000, 130, 130],
            [1100, 1100, 1100, 1100, 260, 260],
            &[Event::AppendLost],
        );
}

/// A reader learns of a lane from the head.
#[test]
fn a_reader_of_a_new_lane() {
    case()
        .setup([Hold])
        .role([Limit(5)])
        .role([Peek, Peek])
        .preemptions(3, 2)
        .check([15, 1], [290, 150], &[Event::Appended]);
}

/// A thread that waits learns of a lane from the head, and claims it.
#[test]
fn a_follower_of_a_new_lane() {
    case()
        .patient()
        .setup([Hold])
        .role([Put(1)])
        .role([Put(2)])
        .preemptions(3, 2)
        .check([100; 2], [1_000; 2], &[Event::Followed]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn lane_1_is_handed_over() {
    case()
        .setup([Hold, Do(Put(1))])
        .role([Put(2)])
        .role([Put(4), Put(8)])
        .check([180, 4600], [6900, 31_000], &[Event::DetourHandedOver]);
}

#[test]
fn lane_1_is_handed_over_to_one_that_waits() {
    case()
        .patient()
        .setup([Hold, Do(Put(1))])
        .role([Put(2)])
        .role([Put(4), Put(8)])
        .preemptions(2, 1)
        .check(
            [350, 14_000],
            [970, 3400],
            &[Event::DetourHandedOver, Event::Followed],
        );
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn lane_1_is_handed_over_beside_a_reader() {
    case()
        .one_amount()
        .setup([Hold, Do(Put(1))])
        .role([Put(2)])
        .role([Put(4)])
        .role([Peek])
        .check(
            [5_000, 3500, 5_000, 3500, 250, 250],
            [2400, 2400, 2400, 2400, 380, 380],
            &[Event::DetourHandedOver, Event::Moved],
        );
}

/// What is in the claim of lane 0 is an old head, since lane 1 was used meanwhile.
#[test]
fn an_old_head_in_the_claim() {
    case()
        .setup([Hold, Do(Put(1)), FreeAtOnce])
        .role([Put(2)])
        .role([Put(4), Put(8)])
        .check([130, 420], [1400, 2700], &[Event::Lost]);
}

/// Lane 0 is held by one that comes back, and lane 1 is current.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn two_lanes_and_a_reader() {
    case()
        .one_amount()
        .setup([Do(Put(1)), Begin(0, Put(2))])
        .role([])
        .role([Put(4), Put(16)])
        .role([Peek])
        .preemptions(1, 1)
        .check(
            [2700, 2700, 1500, 1500, 88, 88],
            [3900, 3900, 1700, 1700, 220, 220],
            &[Event::Detour, Event::Moved],
        );
}

/// A state of lane 1 is rewritten with terms in lane 2, which the reader does not know yet.
#[test]
pub(crate) fn a_reference_to_a_lane_not_known_here() {
    case()
        .one_amount()
        .setup([Hold, Do(Put(1)), Begin(0, Put(2))])
        .role([])
        .role([Limit(5)])
        .role([Peek])
        .check(
            [2900, 2200, 2300, 2_000, 1_000, 960],
            [1400, 1400, 760, 760, 170, 170],
            &[Event::NullReference],
        );
}

/// The same in place of the reader with one that holds lane 0.
#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn a_reference_to_a_lane_that_a_holder_does_not_know() {
    case()
        .one_amount()
        .setup([Hold, Do(Put(1)), Begin(0, Put(2)), Free, Begin(2, Put(16))])
        .role([])
        .role([Limit(5)])
        .role([])
        .check(
            [4500, 3800, 4200, 4_000, 3400, 2700],
            [1500, 1500, 920, 920, 930, 930],
            &[Event::NullReference],
        );
}
