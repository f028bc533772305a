//! Two threads, with no bound on the preemptions under the plain shim.

use crate::case::{case, Begin, Do, DoAs, Hold};
use crate::step::{Add, Limit, Peek, Put, Raise, Reset};
use crate::sync::Event;

#[test]
fn two_writers() {
    case()
        .unbounded()
        .role([Put(1)])
        .role([Put(2)])
        .check([330; 2], [440; 2], &[Event::Lost]);
}

#[test]
fn two_writers_exactly() {
    case()
        .one_amount()
        .exactly()
        .unbounded()
        .role([Put(1)])
        .role([Put(2)])
        .check([330; 2], [670; 2], &[Event::Lost]);
}

#[test]
fn one_is_refused() {
    case()
        .unbounded()
        .limit(4)
        .role([Add(2)])
        .role([Add(3)])
        .check([330; 2], [500; 2], &[Event::Refused]);
}

#[test]
fn two_patient_writers() {
    case()
        .patient()
        .unbounded()
        .role([Put(1)])
        .role([Put(2)])
        .check([950; 2], [950; 2], &[Event::Lost]);
}

#[test]
fn two_append() {
    case()
        .unbounded()
        .setup([Hold])
        .role([Put(1)])
        .role([Put(2)])
        .check([130; 2], [560; 2], &[Event::AppendLost]);
}

#[test]
fn a_writer_and_a_reader() {
    case()
        .unbounded()
        .role([Put(1)])
        .role([Peek])
        .check([7, 12], [82, 52], &[]);
}

#[test]
fn terms_and_a_writer() {
    case()
        .unbounded()
        .limit(5)
        .role([Limit(3)])
        .role([Add(4)])
        .check([350, 410], [840, 710], &[Event::Refused]);
}

#[test]
fn two_change_terms() {
    case()
        .unbounded()
        .limit(5)
        .role([Raise(10)])
        .role([Raise(100)])
        .check([420; 2], [1400; 2], &[Event::TermsMoved]);
}

#[test]
fn a_look_and_a_reset() {
    case()
        .unbounded()
        .limit(5)
        .setup([Do(Put(4)), DoAs(1, Add(9))])
        .role([Reset])
        .role([Add(3)])
        .check([64, 90], [210, 120], &[Event::LookedFirst]);
}

#[test]
fn a_holder_that_comes_back() {
    case()
        .unbounded()
        .setup([Begin(0, Put(1))])
        .role([])
        .role([Put(2), Put(4)])
        .check([120, 480], [420, 320], &[Event::Detour]);
}

#[test]
#[ignore = "takes most of a minute"]
fn two_writes_and_one() {
    case()
        .one_amount()
        .room(2)
        .unbounded()
        .role([Put(1), Put(2)])
        .role([Put(4)])
        .check([370_000, 74_000], [6900, 1100], &[Event::Lost]);
}

#[test]
fn two_writes_and_two_reads() {
    case()
        .one_amount()
        .unbounded()
        .role([Put(1), Put(2)])
        .role([Peek, Peek])
        .check([9500, 13_000], [3200, 690], &[Event::Moved]);
}

#[test]
fn each_writes_and_reads() {
    case()
        .one_amount()
        .room(2)
        .unbounded()
        .role([Put(1), Peek])
        .role([Put(2), Peek])
        .check([2700; 2], [1700; 2], &[Event::Lost]);
}
