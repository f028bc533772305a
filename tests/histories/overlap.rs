//! How much of a history overlaps: where nothing does, nothing is shown.

use crate::recorder::Call;

/// How many calls have to overlap another one.
const ENOUGH: usize = 500;

/// How many histories may come to less than that together.
const TIMES: usize = 50;

/// Has histories made, checked and told about until enough calls overlapped.
pub(crate) fn until_enough_overlap(mut history: impl FnMut() -> (Vec<Vec<Call>>, String)) {
    let mut enough = 0;
    for _ in 0..TIMES {
        let (history, told) = history();
        let overlapping = overlapping(&history);
        println!("{overlapping} calls overlap of {told}");
        enough += overlapping;
        if enough >= ENOUGH {
            return;
        }
    }
    panic!("only {enough} calls of {TIMES} histories overlap another");
}

/// How many calls ran while another one did.
pub(crate) fn overlapping(history: &[Vec<Call>]) -> usize {
    let mut calls: Vec<&Call> = history.iter().flatten().collect();
    calls.sort_by_key(|call| call.start);
    let mut last_end = 0;
    let mut overlapping = 0;
    for (index, call) in calls.iter().enumerate() {
        let begins_inside = index > 0 && last_end > call.start;
        let next_begins_inside = calls
            .get(index + 1)
            .is_some_and(|next| next.start < call.end);
        overlapping += usize::from(begins_inside || next_begins_inside);
        last_end = last_end.max(call.end);
    }
    overlapping
}
