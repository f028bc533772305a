//! How much of a history overlaps. Where nothing does, nothing is shown.

use crate::recorder::Event;

/// How many events have to overlap another one.
const ENOUGH: usize = 500;

/// How many histories may come to less than that together.
const TIMES: usize = 50;

/// Has histories made, checked and described, until enough events overlapped.
pub(crate) fn until_enough_overlap<O, A>(
    mut history: impl FnMut() -> (Vec<Vec<Event<O, A>>>, String),
) {
    let mut enough = 0;
    for _ in 0..TIMES {
        let (history, description) = history();
        let overlapping = overlapping(&history);
        println!("{overlapping} operations overlap of {description}");
        enough += overlapping;
        if enough >= ENOUGH {
            return;
        }
    }
    panic!("only {enough} operations of {TIMES} histories overlap another");
}

/// How many operations ran while another one did.
pub(crate) fn overlapping<O, A>(history: &[Vec<Event<O, A>>]) -> usize {
    let mut events: Vec<&Event<O, A>> = history.iter().flatten().collect();
    events.sort_by_key(|event| event.start);
    let mut last_end = 0;
    let mut overlapping = 0;
    for (index, event) in events.iter().enumerate() {
        let begins_inside = index > 0 && last_end > event.start;
        let next_begins_inside = events
            .get(index + 1)
            .is_some_and(|next| next.start < event.end);
        overlapping += usize::from(begins_inside || next_begins_inside);
        last_end = last_end.max(event.end);
    }
    overlapping
}
