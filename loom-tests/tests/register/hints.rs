//! Hints: a thread that was refused looks before it claims, and one that took a detour looks
//! whether lane 0 is free. A hint can be wrong.

use crate::case::{case, Begin, Case, Detoured, Do, DoAs, Hold, Refused, RefusedElsewhere};
use crate::step::{Add, Look, Put, Raise, Reset, Signal};
use crate::sync::Event;

/// Of a limit of 5, 4 is spent. Role 1 was refused, role 0 too if it says so.
fn full(both: bool) -> Case {
    let mut setup = vec![Do(Put(4)), DoAs(1, Add(9))];
    if both {
        setup.push(DoAs(0, Add(8)));
    }
    case().limit(5).setup(setup)
}

#[test]
#[ignore = "takes many seconds"]
pub(crate) fn refused_accepted_and_reset() {
    full(true)
        .one_amount()
        .role([Add(2), Reset, Add(5)])
        .role([Add(1), Add(3)])
        .preemptions(2, 1)
        .check(
            [27_000, 9_000],
            [5_000, 6700],
            &[Event::LookedFirst, Event::Refused],
        );
}

/// What happened before a look is in it.
#[test]
fn roomy_after_a_reset() {
    full(false)
        .role([Reset, Signal])
        .role([Look, Add(3)])
        .preemptions(3, 3)
        .check([93, 99], [570, 930], &[Event::LookedFirst]);
}

#[test]
fn roomy_after_a_raise() {
    full(false)
        .role([Raise(5), Signal])
        .role([Look, Add(3)])
        .preemptions(3, 3)
        .check([93, 49], [1500, 1300], &[Event::LookedFirst]);
}

/// A look must not see one reset and the other's sum.
#[test]
fn a_look_races_with_resets() {
    full(false)
        .one_amount()
        .looks(2)
        .role([Reset, Put(4)])
        .role([Add(2)])
        .preemptions(2, 1)
        .check([3800, 420], [300; 2], &[Event::LookedFirst, Event::Moved]);
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
fn a_look_races_with_raises() {
    full(false)
        .one_amount()
        .role([Raise(1), Raise(2)])
        .role([Add(2)])
        .preemptions(2, 1)
        .check(
            [28_000, 1],
            [3200, 1800],
            &[Event::LookedFirst, Event::Moved],
        );
}

/// One that looks as often as it may, claims a lane.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_look_that_gives_up() {
    full(false)
        .one_amount()
        .looks(1)
        .role([Reset, Put(4)])
        .role([Add(2)])
        .check(
            [5900, 680],
            [15_000, 2200],
            &[Event::LookedFirst, Event::Moved],
        );
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn two_look_and_claim() {
    full(true)
        .one_amount()
        .limit(9)
        .role([Add(2), Add(1)])
        .role([Add(3), Add(7)])
        .preemptions(2, 1)
        .check(
            [23_000, 2100],
            [2800, 3800],
            &[Event::LookedFirst, Event::Refused],
        );
}

#[test]
fn a_look_beside_a_lane_handed_over() {
    full(true)
        .one_amount()
        .role([Add(1), Add(9)])
        .role([Put(1)])
        .preemptions(2, 1)
        .check([1900, 280], [2100, 400], &[Event::LookedFirst]);
}

/// The terms of a lane that the look does not know yet.
#[test]
#[ignore = "takes many seconds"]
pub(crate) fn a_look_at_a_lane_not_known_here() {
    case()
        .one_amount()
        .limit(5)
        .looks(2)
        .setup([Hold, Do(Put(4)), DoAs(2, Add(9)), Begin(0, Put(2))])
        .role([])
        .role([Raise(5)])
        .role([Add(3)])
        .preemptions(1, 1)
        .check(
            [4800, 4800, 2900, 2900, 75, 75],
            [10_000, 10_000, 6500, 6500, 190, 190],
            &[Event::NullReference, Event::LookedFirst],
        );
}

/// Both have a hint that they were refused, and neither was.
#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
fn a_hint_that_is_wrong() {
    case()
        .one_amount()
        .setup([Refused(0), Refused(1)])
        .role([Put(1)])
        .role([Add(2), Put(4)])
        .preemptions(2, 1)
        .check([2800, 27_000], [1800, 3100], &[Event::Held]);
}

#[test]
fn a_hint_for_another_register() {
    case()
        .setup([RefusedElsewhere(0), RefusedElsewhere(1)])
        .role([Put(1)])
        .role([Add(2)])
        .check([90; 2], [450, 490], &[Event::Held]);
}

/// Both look at the claim of lane 0 before they write to it.
#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn after_a_detour() {
    case()
        .one_amount()
        .setup([Detoured(0), Detoured(1)])
        .role([Put(1), Put(8)])
        .role([Add(2), Put(4)])
        .preemptions(2, 1)
        .check([19_000; 2], [2300; 2], &[Event::Held]);
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
fn after_a_detour_lane_0_is_still_held() {
    case()
        .patient()
        .setup([Hold, DoAs(0, Put(16)), DoAs(1, Put(32)), Detoured(1)])
        .role([Put(1)])
        .role([Add(2), Put(4)])
        .preemptions(2, 1)
        .check([510, 14_000], [980, 3500], &[Event::Held, Event::Followed]);
}
