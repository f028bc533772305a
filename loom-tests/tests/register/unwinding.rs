//! An operation that unwinds under a claim, which is released then.

use crate::case::{case, Do};
use crate::step::{Limit, Peek, Put, Raise, Unwind, UnwindRaise};
use crate::sync::Event;

#[test]
fn a_holder_unwinds() {
    case()
        .setup([Do(Put(1))])
        .role([Unwind(8, 0), Put(2)])
        .role([Put(4), Peek])
        .check([330, 410], [3200, 3300], &[Event::Unwound]);
}

#[test]
fn a_holder_unwinds_exactly() {
    case()
        .one_amount()
        .exactly()
        .setup([Do(Put(1))])
        .role([Unwind(8, 0), Put(2)])
        .role([Put(4), Peek])
        .check([290, 260], [4600, 3900], &[Event::Unwound]);
}

/// It unwinds only if the other came first, also in a second attempt.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_holder_unwinds_after_a_lost_cas() {
    case()
        .setup([Do(Put(1))])
        .role([Unwind(8, 3), Put(2)])
        .role([Put(4)])
        .check([2500, 200], [12_000, 1600], &[Event::Unwound, Event::Lost]);
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
pub(crate) fn a_holder_unwinds_beside_a_reader() {
    case()
        .one_amount()
        .setup([Do(Put(1))])
        .role([Unwind(8, 0), Put(2)])
        .role([Put(4)])
        .role([Peek])
        .preemptions(1, 1)
        .check(
            [1200, 1200, 1300, 1300, 190, 190],
            [2900, 2900, 2700, 2700, 550, 550],
            &[Event::Unwound],
        );
}

#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_change_of_terms_unwinds() {
    case()
        .one_amount()
        .limit(5)
        .setup([Do(Put(1)), Do(Limit(6))])
        .role([UnwindRaise, Raise(10)])
        .role([Raise(100), Peek])
        .check([360, 300], [6800, 4400], &[Event::Unwound]);
}
