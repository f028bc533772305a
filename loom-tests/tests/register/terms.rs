//! Changes of the terms: lines that are written again, by one lane or by several.

use crate::case::{case, Begin, Do, Free, Hold};
use crate::step::{Add, Limit, Peek, Put, Raise};
use crate::sync::Event;

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn terms_change_among_records() {
    case()
        .limit(5)
        .role([Limit(9), Add(1)])
        .role([Add(4), Add(3)])
        .preemptions(2, 1)
        .check(
            [15_000, 2800],
            [3_000, 3100],
            &[Event::Lost, Event::Refused],
        );
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn terms_change_among_records_exactly() {
    case()
        .one_amount()
        .limit(5)
        .exactly()
        .role([Limit(9), Add(1)])
        .role([Add(4), Add(3)])
        .preemptions(2, 1)
        .check([14_000, 2300], [2600, 1800], &[Event::Lost, Event::Refused]);
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
fn two_change_terms() {
    case()
        .one_amount()
        .limit(5)
        .role([Raise(10)])
        .role([Raise(100), Add(3)])
        .preemptions(2, 1)
        .check(
            [1500, 19_000],
            [380, 2200],
            &[Event::Lost, Event::TermsMoved],
        );
}

#[test]
fn terms_change_beside_a_reader() {
    case()
        .limit(5)
        .setup([Do(Limit(6))])
        .role([Limit(7), Limit(8)])
        .role([Peek])
        .check([1_000, 1], [8500, 590], &[Event::Moved, Event::TermsReused]);
}

/// The line of the first terms is written again, with other amounts, while a slow reader
/// still follows the first reference.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes seconds")]
fn a_line_is_used_again_beside_a_reader() {
    case()
        .one_amount()
        .limit(5)
        .setup([Do(Limit(6))])
        .role([Limit(7), Put(1), Limit(8)])
        .role([Peek])
        .check([5700, 1], [30_000, 1400], &[Event::TermsReused]);
}

/// Terms from lane 0, then from lane 1, then from lane 0 again, and a slow reader of the first.
#[test]
fn terms_of_two_lanes_beside_a_reader() {
    case()
        .one_amount()
        .limit(5)
        .setup([Hold, Do(Limit(6)), Free])
        .role([Limit(7), Limit(8)])
        .role([Peek, Peek])
        .preemptions(3, 2)
        .check([120, 1], [1900, 660], &[Event::Moved]);
}

#[test]
pub(crate) fn terms_from_a_holder_that_comes_back_beside_a_reader() {
    case()
        .one_amount()
        .limit(5)
        .setup([Do(Limit(6)), Begin(0, Raise(10))])
        .role([])
        .role([Raise(100)])
        .role([Peek])
        .preemptions(1, 1)
        .check(
            [530, 530, 190, 190, 26, 26],
            [1200, 1200, 670, 670, 130, 130],
            &[Event::TermsMoved, Event::Moved],
        );
}

/// Terms of lane 1, then of lane 2, then the first line of lane 1 again, and a reader that still
/// follows the reference to it.
#[test]
#[ignore = "takes many seconds"]
pub(crate) fn a_lane_is_used_again_beside_a_reader() {
    case()
        .one_amount()
        .limit(5)
        .setup([
            Hold,
            Do(Limit(6)),
            Begin(0, Raise(10)),
            Begin(1, Raise(100)),
        ])
        .role([])
        .role([Put(1)])
        .role([Peek])
        .check(
            [1500, 870, 14_000, 11_000, 46, 46],
            [2500, 2500, 4900, 4900, 240, 240],
            &[Event::TermsMoved, Event::Moved],
        );
}

#[test]
fn terms_from_a_holder_that_comes_back() {
    case()
        .limit(5)
        .setup([Do(Put(1)), Begin(0, Raise(10))])
        .role([])
        .role([Raise(100), Put(2), Raise(1_000)])
        .preemptions(3, 1)
        .check([640, 6200], [1200, 550], &[Event::TermsMoved]);
}

// After a change, the next update from lane 0 brings the terms home.

/// Home has the first terms, which a slow reader still reads.
#[test]
fn terms_go_home_beside_a_reader() {
    case()
        .one_amount()
        .limit(5)
        .setup([Do(Put(1))])
        .role([Limit(6), Put(2)])
        .role([Peek])
        .check(
            [460, 1],
            [3500, 320],
            &[Event::CopiedHome, Event::TermsReused],
        );
}

#[test]
#[cfg_attr(not(feature = "ghost"), ignore = "takes many seconds")]
pub(crate) fn terms_go_home_beside_a_writer() {
    case()
        .limit(5)
        .setup([Do(Limit(9))])
        .role([Add(4), Add(1)])
        .role([Add(3), Add(2)])
        .preemptions(2, 1)
        .check(
            [12_000; 2],
            [1600; 2],
            &[Event::CopiedHome, Event::CopyLost, Event::Refused],
        );
}

/// Another change of terms comes between.
#[test]
#[cfg_attr(feature = "ghost", ignore = "takes tens of seconds")]
fn terms_go_home_beside_another_change() {
    case()
        .one_amount()
        .limit(5)
        .setup([Hold, Do(Limit(6)), Free])
        .role([Put(1), Add(2)])
        .role([Raise(100), Add(50)])
        .check(
            [1800, 1100],
            [27_000, 15_000],
            &[Event::CopiedHome, Event::CopyLost, Event::TermsMoved],
        );
}

/// The same, where it is the holder of lane 0 that comes back.
#[test]
pub(crate) fn terms_go_home_with_a_holder_that_comes_back() {
    case()
        .one_amount()
        .limit(5)
        .setup([Do(Limit(6)), Begin(0, Put(1))])
        .role([])
        .role([Raise(100)])
        .role([Peek])
        .preemptions(1, 1)
        .check(
            [530, 530, 190, 190, 26, 26],
            [1200, 1200, 680, 680, 140, 140],
            &[Event::CopiedHome, Event::Moved],
        );
}

/// The change of terms comes from lane 1, while the reader reads the first terms at home.
#[test]
pub(crate) fn terms_of_lane_1_go_home_beside_a_reader() {
    case()
        .one_amount()
        .limit(5)
        .setup([Begin(0, Put(1))])
        .role([])
        .role([Limit(6)])
        .role([Peek])
        .check(
            [2400, 1900, 2400, 2100, 900, 860],
            [1100, 1100, 730, 730, 150, 150],
            &[Event::CopiedHome, Event::Moved],
        );
}
