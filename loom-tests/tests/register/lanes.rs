//! Lane 0: it is handed over, and its holder is suspended and comes back.

use crate::case::{case, Begin, Do};
use crate::step::{Add, Peek, Put, Reset};
use crate::sync::Event;

#[test]
pub(crate) fn two_writers_twice() {
    case()
        .limit(9)
        .role([Add(1), Add(2)])
        .role([Add(4), Add(3)])
        .preemptions(2, 1)
        .check(
            [6500; 2],
            [1_000; 2],
            &[Event::Lost, Event::Refused, Event::Held, Event::Appended],
        );
}

#[test]
#[ignore = "takes seconds"]
pub(crate) fn two_writers_twice_exactly() {
    case()
        .limit(9)
        .exactly()
        .role([Add(1), Add(2)])
        .role([Add(4), Add(3)])
        .preemptions(2, 1)
        .check([15_000; 2], [2200; 2], &[Event::Lost, Event::Refused]);
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn two_patient_writers_twice() {
    case()
        .one_amount()
        .limit(9)
        .patient()
        .role([Add(1), Add(2)])
        .role([Add(4), Add(3)])
        .preemptions(2, 1)
        .check(
            [11_000; 2],
            [2100; 2],
            &[Event::Lost, Event::Refused, Event::Followed],
        );
}

/// The second holder must load a head no older than the last that the first set.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn lane_0_is_handed_over() {
    case().role([Put(1)]).role([Put(2), Put(4)]).check(
        [400, 2500],
        [1400, 12_000],
        &[Event::Held, Event::HandedOver],
    );
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn lane_0_is_handed_over_exactly() {
    case()
        .one_amount()
        .exactly()
        .role([Put(1)])
        .role([Put(2), Put(4)])
        .check(
            [400, 2200],
            [2100, 16_000],
            &[Event::Held, Event::HandedOver],
        );
}

/// The same by a refusal, which leaves in the claim the head that it saw.
#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
fn lane_0_is_handed_over_by_a_refusal() {
    case()
        .limit(4)
        .setup([Do(Put(1))])
        .role([Add(9)])
        .role([Put(2), Put(4)])
        .preemptions(2, 1)
        .check([150, 20_000], [390, 1800], &[Event::Held, Event::Refused]);
}

/// The same with the reader that would see the current slot being written.
#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn lane_0_is_handed_over_beside_a_reader() {
    case()
        .one_amount()
        .role([Put(1)])
        .role([Put(2)])
        .role([Peek])
        .check(
            [4500, 3300, 4500, 3300, 1600, 1600],
            [1200, 1200, 1200, 1200, 230, 230],
            &[Event::HandedOver, Event::Moved],
        );
}

/// The holder of lane 0 has an old head when it comes back.
#[test]
fn a_holder_comes_back() {
    case()
        .limit(9)
        .setup([Do(Put(1)), Begin(0, Add(2))])
        .role([])
        .role([Add(3), Add(4)])
        .preemptions(3, 2)
        .check([72, 170], [500, 360], &[Event::Lost, Event::Held]);
}

#[test]
fn a_holder_comes_back_exactly() {
    case()
        .limit(9)
        .exactly()
        .setup([Do(Put(1)), Begin(0, Add(2))])
        .role([])
        .role([Add(3), Add(4)])
        .preemptions(3, 2)
        .check([72, 170], [750, 500], &[Event::Held]);
}

/// The same, and it is refused then.
#[test]
fn a_holder_comes_back_and_is_refused() {
    case()
        .limit(9)
        .setup([Do(Put(1)), Begin(0, Add(9))])
        .role([])
        .role([Put(2), Reset])
        .preemptions(3, 2)
        .check([11, 52], [450, 710], &[Event::Refused]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_holder_comes_back_beside_two_writers() {
    case()
        .one_amount()
        .limit(9)
        .setup([Begin(0, Add(2))])
        .role([])
        .role([Add(3)])
        .role([Add(5)])
        .preemptions(1, 1)
        .check(
            [2200, 2200, 770, 770, 770, 770],
            [5200, 5200, 1800, 1800, 1800, 1800],
            &[Event::Lost, Event::Refused],
        );
}

#[test]
#[ignore = "takes many seconds"]
pub(crate) fn three_writers() {
    case()
        .one_amount()
        .role([Put(1)])
        .role([Put(2)])
        .role([Put(4)])
        .preemptions(1, 1)
        .check(
            [2700; 6],
            [5900; 6],
            &[Event::Lost, Event::Held, Event::Appended],
        );
}

#[test]
fn a_holder_comes_back_beside_a_patient_writer() {
    case()
        .limit(9)
        .patient()
        .setup([Do(Put(1)), Begin(0, Add(2))])
        .role([])
        .role([Add(3), Add(4)])
        .check([110, 130], [910, 500], &[Event::Lost, Event::Held]);
}
