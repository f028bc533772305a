//! Scenarios of the other files at more preemptions than there is time for in every run.

use crate::case::further;

/// Scenarios with their preemptions, and how many executions there are at least in each role order.
macro_rules! further {
    ($($file:ident::$scenario:ident: $preemptions:literal, $least:expr;)*) => {$(
        #[test]
        #[ignore = "takes minutes"]
        fn $scenario() {
            further($preemptions, &$least, crate::$file::$scenario);
        }
    )*};
}

// Two roles with two operations each.
further! {
    lanes::two_writers_twice: 2, [40521, 40521];
    lanes::two_writers_twice_exactly: 2, [135403, 135403];
    lanes::two_patient_writers_twice: 2, [75810, 75810];
    terms::terms_change_among_records: 2, [135491, 51567];
    terms::terms_change_among_records_exactly: 2, [121212, 36592];
    terms::terms_go_home_beside_a_writer: 2, [85571, 85571];
    hints::two_look_and_claim: 2, [160996, 63000];
    hints::refused_accepted_and_reset: 2, [251439, 187951];
    hints::after_a_detour: 2, [108252, 110277];
    readers::two_are_refused: 2, [98715, 66596];
}

// Three roles.
further! {
    lanes::lane_0_is_handed_over_beside_a_reader: 2, [21294, 14862, 21294, 14862, 9758, 9758];
    lanes::a_holder_comes_back_beside_two_writers: 2, [106163, 106163, 61677, 52875, 61677, 52875];
    lanes::three_writers: 2, [143348, 143348, 143348, 143348, 143348, 143348];
    detours::two_append_a_lane_beside_a_reader: 2, [21341, 17815, 21341, 17815, 7902, 7902];
    detours::lane_1_is_handed_over_beside_a_reader: 2, [53654, 37454, 53654, 37454, 15649, 15649];
    detours::two_lanes_and_a_reader: 2, [100073, 78626, 49010, 47197, 21525, 20793];
    detours::a_reference_to_a_lane_not_known_here: 2, [27568, 20208, 23244, 17753, 9791, 8901];
    detours::a_reference_to_a_lane_that_a_holder_does_not_know: 2, [32709, 28278, 31994, 24893, 26131, 19020];
    terms::terms_from_a_holder_that_comes_back_beside_a_reader: 2, [25426, 17759, 11861, 10826, 5506, 5235];
    terms::a_lane_is_used_again_beside_a_reader: 2, [71925, 64264, 338831, 223667, 22426, 23034];
    terms::terms_go_home_with_a_holder_that_comes_back: 2, [26678, 18284, 12224, 11099, 5629, 5340];
    terms::terms_of_lane_1_go_home_beside_a_reader: 2, [18666, 13625, 17258, 13688, 6693, 6258];
    hints::a_look_at_a_lane_not_known_here: 2, [239238, 161193, 169503, 116485, 54303, 53406];
    readers::a_reader_that_claims_beside_a_holder_that_comes_back: 2, [54672, 42389, 31975, 28473, 19731, 19236];
    unwinding::a_holder_unwinds_beside_a_reader: 2, [66213, 44132, 65227, 40983, 25139, 24989];
    never_were::two_change_terms_beside_a_reader: 2, [99931, 93918, 320409, 221162, 58818, 66945];
}
