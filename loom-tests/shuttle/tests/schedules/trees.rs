//! Pools below pools: four threads, eight operations each. Children come and go.

use token_budget_pool::scenario::Event;
use token_budget_pool::tree_scenario::{Op, TreeScenario};

use crate::tree_programs::{eight, ALL, CHILDREN, SHARED, SPENDING};

/// A root, two children, and below each of them another one, for four threads that take a detour as soon
/// as a lane is held. Two nodes are free.
fn scenario() -> TreeScenario {
    // Any level may be the first to refuse.
    let tree = TreeScenario::new(Some(75)).priced().before([
        Op::Make(SHARED[1], 0, Some(45)),
        Op::Make(SHARED[2], 0, None),
        Op::Make(SHARED[3], SHARED[1], Some(30)),
        Op::Make(SHARED[4], SHARED[2], Some(30)),
        Op::Make(5, 0, None),
        Op::Make(6, 0, None),
        Op::Drop(5),
        Op::Drop(6),
    ]);
    (0..4).fold(tree, |tree, _| tree.thread([]))
}

#[test]
fn spending_at_all_levels() {
    scenario()
        .room(4)
        .meets([
            Event::Refused,
            Event::LookedFirst,
            Event::Lost,
            Event::Detour,
            Event::OverwrittenWhileRead,
            Event::Moved,
            Event::Raised,
            Event::RaiseLost,
            Event::NodeNewer,
        ])
        .sample(|thread| eight(thread, SPENDING));
}

/// What further lanes have in each node is appended while others are at work. So are nodes, and nodes are
/// used again.
#[test]
fn children_that_come_and_go() {
    scenario()
        .meets([
            Event::Lost,
            Event::Held,
            Event::Detour,
            Event::Appended,
            Event::AppendLost,
            Event::HandedOver,
            Event::DetourHandedOver,
            Event::Raised,
            Event::RaiseLost,
            Event::NodeNewer,
            Event::NodeReused,
        ])
        .sample(|thread| eight(thread, CHILDREN));
}

/// Readers look once, and then claim a lane.
#[test]
fn limits_that_change_beside_readers_that_claim() {
    scenario()
        .looks(1)
        .meets([
            Event::Refused,
            Event::Lost,
            Event::ReaderClaimed,
            Event::TermsReused,
            Event::Raised,
            Event::NodeReused,
        ])
        .sample(|thread| eight(thread, ALL));
}

/// A thread that is none of the four holds lane 0 for ever. Threads wait for some turns.
#[test]
fn lane_0_is_held_for_ever() {
    scenario()
        .patience(150)
        .stuck()
        .meets([
            Event::Lost,
            Event::Held,
            Event::Followed,
            Event::Appended,
            Event::DetourHandedOver,
            Event::Raised,
            Event::NodeReused,
        ])
        .sample(|thread| eight(thread, ALL));
}
