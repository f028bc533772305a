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
#[cfg(feature = "ghost")]
further! {
    lanes::two_writers_twice: 2, [40_521; 2];
    lanes::two_writers_twice_exactly: 2, [135_403; 2];
    lanes::two_patient_writers_twice: 2, [75_810; 2];
    terms::terms_change_among_records: 2, [135_491, 51_567];
    terms::terms_change_among_records_exactly: 2, [121_212, 36_592];
    terms::terms_go_home_beside_a_writer: 2, [85_571; 2];
    hints::two_look_and_claim: 2, [160_996, 63_000];
    hints::refused_accepted_and_reset: 2, [251_439, 187_951];
    hints::after_a_detour: 2, [108_252, 110_277];
    readers::two_are_refused: 2, [98_715, 66_596];
}

// Three roles.
#[cfg(feature = "ghost")]
further! {
    lanes::lane_0_is_handed_over_beside_a_reader: 2, [21_294, 14_862, 21_294, 14_862, 9758, 9758];
    lanes::a_holder_comes_back_beside_two_writers: 2, [106_163, 106_163, 61_677, 52_875, 61_677, 52_875];
    lanes::three_writers: 2, [143_348; 6];
    detours::two_append_a_lane_beside_a_reader: 2, [21_341, 17_815, 21_341, 17_815, 7902, 7902];
    detours::lane_1_is_handed_over_beside_a_reader: 2, [53_654, 37_454, 53_654, 37_454, 15_649, 15_649];
    detours::two_lanes_and_a_reader: 2, [100_073, 78_626, 49_010, 47_197, 21_525, 20_793];
    detours::a_reference_to_a_lane_not_known_here: 2, [27_568, 20_208, 23_244, 17_753, 9791, 8901];
    detours::a_reference_to_a_lane_that_a_holder_does_not_know: 2, [32_709, 28_278, 31_994, 24_893, 26_131, 19_020];
    terms::terms_from_a_holder_that_comes_back_beside_a_reader: 2, [25_426, 17_759, 11_861, 10_826, 5506, 5235];
    terms::a_lane_is_used_again_beside_a_reader: 2, [71_925, 64_264, 338_831, 223_667, 22_426, 23_034];
    terms::terms_go_home_with_a_holder_that_comes_back: 2, [26_678, 18_284, 12_224, 11_099, 5629, 5340];
    terms::terms_of_lane_1_go_home_beside_a_reader: 2, [18_666, 13_625, 17_258, 13_688, 6693, 6258];
    hints::a_look_at_a_lane_not_known_here: 2, [239_238, 161_193, 169_503, 116_485, 54_303, 53_406];
    readers::a_reader_that_claims_beside_a_holder_that_comes_back: 2, [54_672, 42_389, 31_975, 28_473, 19_731, 19_236];
    unwinding::a_holder_unwinds_beside_a_reader: 2, [66_213, 44_132, 65_227, 40_983, 25_139, 24_989];
    never_were::two_change_terms_beside_a_reader: 2, [99_931, 93_918, 320_409, 221_162, 58_818, 66_945];
}

// Those of the three roles that stand at one under the plain shim too.
#[cfg(not(feature = "ghost"))]
further! {
    lanes::a_holder_comes_back_beside_two_writers: 2, [16_088, 16_088, 10_486, 9425, 10_486, 9425];
    lanes::three_writers: 2, [27_899; 6];
    detours::two_lanes_and_a_reader: 2, [20_198, 15_754, 10_431, 10_176, 3767, 3685];
    terms::terms_from_a_holder_that_comes_back_beside_a_reader: 2, [3022, 2233, 963, 935, 76, 76];
    terms::terms_go_home_with_a_holder_that_comes_back: 2, [3022, 2233, 963, 935, 76, 76];
    hints::a_look_at_a_lane_not_known_here: 2, [32_463, 25_379, 19_049, 16_074, 6574, 6526];
    readers::a_reader_that_claims_beside_a_holder_that_comes_back: 2, [9851, 7909, 5499, 5106, 2713, 2664];
    unwinding::a_holder_unwinds_beside_a_reader: 2, [9409, 6293, 8885, 5660, 3639, 3630];
    never_were::only_the_fence_shows_it: 2, [1950, 1801, 81_113, 93_879, 3323, 5563];
    never_were::only_the_fence_keeps_them_from_home: 2, [755, 709, 41_068, 45_438, 816, 2356];
}
