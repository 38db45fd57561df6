//! Sizing and simulation under the cost model.

use std::collections::HashMap;

use phalanx_plan::{
    Calibration, CalibrationError, FoldCost, FoldError, FoldShape, FoldTree, Position, ProveCost, Scenario, SealCost,
    Sizing, SizingError, SizingRequest, TaskTooLarge, WideFold, simulate,
};
use proptest::prelude::*;

const GIB: u64 = 1 << 30;

fn shape() -> FoldShape {
    FoldShape { arities: vec![4, 3, 3] }
}

/// About what OpenVM takes on a CPU; the exact numbers do not matter here.
fn calibration() -> Calibration {
    Calibration {
        measured_on: "made up for tests".into(),
        base_bytes: 2 * GIB,
        execute_cycles_per_ms: 10_000,
        segment_cycles_min: 1 << 16,
        segment_cycles_max: 1 << 23,
        serial_fraction: 0.1,
        prove: ProveCost {
            fixed_peak_bytes: GIB,
            peak_bytes_per_mcycle: 4 * GIB,
            fixed_cpu_ms: 5_000,
            cpu_ms_per_mcycle: 18_000,
        },
        folds: vec![fold(GIB, 4_000, 1_500), fold(GIB / 2, 3_000, 1_000)],
        seal: SealCost { peak_bytes: GIB, cpu_ms: 2_000 },
    }
}

/// Half a GiB for each child.
fn fold(fixed_peak_bytes: u64, fixed_cpu_ms: u64, cpu_ms_per_child: u64) -> FoldCost {
    let peak_bytes = (1..=4).map(|children| fixed_peak_bytes + GIB / 2 * children).collect();
    FoldCost { peak_bytes, wide: None, fixed_cpu_ms, cpu_ms_per_child }
}

fn request(ram_gib: u64, cores: u32) -> SizingRequest {
    SizingRequest { ram_bytes: ram_gib * GIB, cores, cycles: None, segment_cycles: None, slots: None }
}

fn choose(request: &SizingRequest) -> Result<Sizing, SizingError> {
    Sizing::choose(&calibration(), &shape(), request)
}

#[test]
fn one_segment_on_one_core_takes_the_sum_of_its_tasks() {
    let scenario = Scenario { cycles: 1_000_000, segment_cycles: 1_000_000, slots: 1, cores: 1, ram_bytes: 16 * GIB };
    let schedule = simulate(&calibration(), &shape(), &scenario).unwrap();
    // execute 100, prove 23,000, leaf 5,500, two internal layers of 4,000, seal 2,000
    assert_eq!(schedule.wall_ms, 100 + 23_000 + 5_500 + 4_000 + 4_000 + 2_000);
    let order: Vec<String> = schedule.tasks.iter().map(|task| task.position.to_string()).collect();
    assert_eq!(order, ["prove 0", "fold 0.0", "fold 1.0", "fold 2.0", "seal"]);
}

#[test]
fn one_task_on_many_cores_obeys_amdahl() {
    let calibration =
        Calibration { folds: vec![fold(0, 0, 0)], seal: SealCost { peak_bytes: 0, cpu_ms: 0 }, ..calibration() };
    let scenario = Scenario { cycles: 1_000_000, segment_cycles: 1_000_000, slots: 1, cores: 9, ram_bytes: 16 * GIB };
    let schedule = simulate(&calibration, &shape(), &scenario).unwrap();
    // 23,000 × (0.1 + 0.9 / 9) after 100 of execution
    assert_eq!(schedule.wall_ms, 100 + 4_600);
}

#[test]
fn a_task_larger_than_the_budget_is_an_error() {
    let scenario = Scenario { cycles: 4, segment_cycles: 1, slots: 1, cores: 1, ram_bytes: 4 * GIB };
    let error = SizingError::TaskTooLarge(TaskTooLarge { needed_bytes: 3 * GIB, budget_bytes: 2 * GIB });
    assert_eq!(simulate(&calibration(), &shape(), &scenario), Err(error));
}

#[test]
fn more_ram_never_makes_the_prediction_worse() {
    let walls: Vec<u64> =
        (6..80).step_by(4).map(|ram_gib| choose(&request(ram_gib, 8)).unwrap().predicted_wall_ms).collect();
    assert!(walls.windows(2).all(|pair| pair[1] <= pair[0]), "{walls:?}");
    assert!(walls.last() < walls.first());
}

#[test]
fn a_long_run_in_little_ram_gets_small_segments_and_in_much_ram_large_ones() {
    let little = choose(&request(6, 2)).unwrap();
    let much = choose(&request(128, 2)).unwrap();
    assert!(little.segment_cycles_max < 1_000_000, "{little:?}");
    assert!(much.segment_cycles_max > 4_000_000, "{much:?}");
}

#[test]
fn a_serial_prover_with_ram_to_spare_gets_more_slots_than_one() {
    let serial = Calibration { serial_fraction: 0.5, ..calibration() };
    let sizing = Sizing::choose(&serial, &shape(), &request(128, 8)).unwrap();
    assert!(sizing.slots > 1, "{sizing:?}");
    let parallel = Calibration { serial_fraction: 0.0, ..calibration() };
    assert_eq!(Sizing::choose(&parallel, &shape(), &request(128, 8)).unwrap().slots, 1);
}

#[test]
fn a_short_run_is_one_segment_on_one_slot() {
    let sizing = choose(&SizingRequest { cycles: Some(50_000), ..request(64, 16) }).unwrap();
    assert!(sizing.segment_cycles_max >= 50_000);
    assert_eq!(sizing.slots, 1);
}

#[test]
fn free_ram_that_wobbles_does_not_change_where_segments_end() {
    let steady = choose(&request(16, 4)).unwrap();
    for wobble in [1, 4099, 1 << 20, 50 << 20] {
        let wobbled = choose(&SizingRequest { ram_bytes: 16 * GIB + wobble, ..request(16, 4) }).unwrap();
        assert_eq!(wobbled, steady);
    }
}

#[test]
fn a_short_run_is_cut_alike_in_any_ram_that_it_fits() {
    let of = |ram_gib| choose(&SizingRequest { cycles: Some(150_000), ..request(ram_gib, 2) }).unwrap();
    assert!((6..100).all(|ram_gib| of(ram_gib).segment_cycles_max == of(5).segment_cycles_max));
}

#[test]
fn too_little_ram_says_how_much_is_needed_and_that_much_is_enough() {
    let Err(SizingError::RamTooSmall { segment_cycles, slots, needed_bytes, ram_bytes }) = choose(&request(3, 4))
    else {
        panic!("3 GiB are not enough");
    };
    assert_eq!((segment_cycles, slots, ram_bytes), (1 << 16, 1, 3 * GIB));
    let enough = SizingRequest { ram_bytes: needed_bytes, ..request(3, 4) };
    assert!(choose(&enough).is_ok());
    assert!(choose(&SizingRequest { ram_bytes: needed_bytes - 1, ..enough }).is_err());
}

#[test]
fn a_short_run_needs_no_ram_for_the_folds_of_a_long_one() {
    let of = |cycles| choose(&SizingRequest { cycles, ..request(4, 1) });
    assert_eq!(of(Some(50_000)).unwrap().slots, 1);
    // Four children and the engine.
    let Err(SizingError::RamTooSmall { needed_bytes, .. }) = of(Some(100_000_000)) else { panic!("5 GiB are needed") };
    assert_eq!(needed_bytes, 5 * GIB);
    assert!(of(None).is_ok(), "it may be short");
}

#[test]
fn the_users_numbers_are_kept() {
    let sizing = choose(&SizingRequest { segment_cycles: Some(123_456), slots: Some(3), ..request(64, 2) }).unwrap();
    assert_eq!((sizing.segment_cycles_max, sizing.slots), (123_456, 3));
    let error = choose(&SizingRequest { segment_cycles: Some(8_000_000), slots: Some(4), ..request(16, 2) });
    assert!(matches!(error, Err(SizingError::RamTooSmall { segment_cycles: 8_000_000, slots: 4, .. })), "{error:?}");
}

#[test]
fn a_size_that_the_user_asks_for_may_use_all_the_ram_there_is() {
    let of =
        |ram_gib| choose(&SizingRequest { segment_cycles: Some(1_000_000), slots: Some(1), ..request(ram_gib, 1) });
    // 5 GiB as usual and 2 for the engine, without headroom.
    assert_eq!(of(7).unwrap().segment_bytes_max, 5 * GIB);
    let roomy = of(64).unwrap();
    assert!(roomy.segment_bytes_max > 5 * GIB && roomy.segment_bytes_max < 6 * GIB, "{roomy:?}");
    let Err(SizingError::RamTooSmall { needed_bytes, .. }) = of(6) else { panic!("even a lean guest takes more") };
    assert!((6 * GIB..7 * GIB).contains(&needed_bytes), "{needed_bytes}");
}

#[test]
fn impossible_requests_are_refused() {
    let refuse = |request| choose(&request).unwrap_err();
    assert_eq!(refuse(request(64, 0)), SizingError::NoCores);
    assert_eq!(refuse(SizingRequest { slots: Some(0), ..request(64, 1) }), SizingError::Slots { slots: 0 });
    assert_eq!(
        refuse(SizingRequest { slots: Some(u32::MAX), ..request(64, 1) }),
        SizingError::Slots { slots: u32::MAX }
    );
    assert_eq!(refuse(SizingRequest { segment_cycles: Some(0), ..request(64, 1) }), SizingError::NoSegmentCycles);
    let endless = SizingRequest { cycles: Some(u64::MAX), ..request(64, 1) };
    assert!(matches!(refuse(endless), SizingError::Fold(FoldError::TooManySegments { .. })));
}

#[test]
fn constants_that_make_no_sense_are_refused() {
    let refuse = |calibration: Calibration| calibration.check().unwrap_err();
    assert!(matches!(
        refuse(Calibration { serial_fraction: f64::NAN, ..calibration() }),
        CalibrationError::SerialFraction(_)
    ));
    assert_eq!(refuse(Calibration { folds: vec![], ..calibration() }), CalibrationError::NoFolds);
    let mut folds = calibration().folds;
    folds[1].peak_bytes.clear();
    assert_eq!(refuse(Calibration { folds, ..calibration() }), CalibrationError::NoFoldBytes { layer: 1 });
    let mut folds = calibration().folds;
    folds[0].wide = Some(WideFold { columns_min: 1, peak_bytes: Vec::new() });
    assert_eq!(refuse(Calibration { folds, ..calibration() }), CalibrationError::NoFoldBytes { layer: 0 });
    assert_eq!(refuse(Calibration { execute_cycles_per_ms: 0, ..calibration() }), CalibrationError::NoExecutionRate);
    assert_eq!(
        refuse(Calibration { segment_cycles_min: 0, ..calibration() }),
        CalibrationError::SegmentCycles { min: 0, max: 1 << 23 }
    );
}

#[test]
fn constants_survive_a_file() {
    let text = serde_json::to_string_pretty(&calibration()).unwrap();
    assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), calibration());
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    (1u64..60_000_000, 500_000u64..4_000_000, 1u32..12, 1u32..12, 0u64..60).prop_map(
        |(cycles, segment_cycles, slots, cores, ram_gib)| {
            // Enough for any one task: 1 + 4 × 4 GiB for a proof.
            Scenario { cycles, segment_cycles, slots, cores, ram_bytes: (20 + ram_gib) * GIB }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_schedule_runs_everything_once_within_slots_and_ram(scenario in any_scenario()) {
        let schedule = simulate(&calibration(), &shape(), &scenario).unwrap();
        let segments = scenario.cycles.div_ceil(scenario.segment_cycles) as u32;
        let tree = FoldTree::new(&shape(), segments).unwrap();
        let end_ms: HashMap<Position, u64> =
            schedule.tasks.iter().map(|task| (task.position, task.end_ms)).collect();
        prop_assert_eq!(end_ms.len(), schedule.tasks.len());
        prop_assert_eq!(schedule.tasks.len(), segments as usize + tree.nodes().count() + 1);
        prop_assert_eq!(end_ms.get(&Position::Seal), Some(&schedule.wall_ms));

        let start_ms: HashMap<Position, u64> =
            schedule.tasks.iter().map(|task| (task.position, task.start_ms)).collect();
        for node in tree.nodes() {
            let start_ms = start_ms[&Position::Fold { layer: node.layer, index: node.index }];
            for index in node.children.clone() {
                let child = match node.layer.checked_sub(1) {
                    Some(layer) => Position::Fold { layer, index },
                    None => Position::Prove { index },
                };
                // Starts are rounded down to the millisecond, ends up.
                prop_assert!(end_ms[&child] <= start_ms + 1);
            }
        }
        for task in &schedule.tasks {
            let beside = schedule.tasks.iter().filter(|other| {
                other.start_ms <= task.start_ms && task.start_ms + 1 < other.end_ms
            });
            let (slots, bytes) = beside.fold((0, 0), |(slots, bytes), other| (slots + 1, bytes + other.peak_bytes));
            prop_assert!(slots <= scenario.slots);
            prop_assert!(bytes + calibration().base_bytes <= scenario.ram_bytes);
        }
    }

    #[test]
    fn cores_never_work_faster_than_they_can(scenario in any_scenario()) {
        let calibration = calibration();
        let schedule = simulate(&calibration, &shape(), &scenario).unwrap();
        let segments = scenario.cycles.div_ceil(scenario.segment_cycles) as u32;
        let mut cpu_ms = calibration.seal.cpu_ms;
        for node in FoldTree::new(&shape(), segments).unwrap().nodes() {
            cpu_ms += calibration.fold_cpu_ms(node.layer, node.children.end - node.children.start);
        }
        cpu_ms += u64::from(segments) * calibration.prove.fixed_cpu_ms
            + scenario.cycles * calibration.prove.cpu_ms_per_mcycle / 1_000_000;
        prop_assert!(schedule.wall_ms >= cpu_ms / u64::from(scenario.cores));
        prop_assert!(scenario.slots > 1 || schedule.wall_ms * u64::from(scenario.cores) >= cpu_ms);
    }

    #[test]
    fn a_chosen_sizing_fits_in_ram_with_all_slots_busy(
        ram_gib in 6u64..100,
        cores in 1u32..9,
        cycles in prop::option::of(1u64..100_000_000),
    ) {
        let sizing = choose(&SizingRequest { cycles, ..request(ram_gib, cores) }).unwrap();
        let calibration = calibration();
        let busy_bytes = calibration.base_bytes + u64::from(sizing.slots) * sizing.segment_bytes_max;
        prop_assert!(busy_bytes <= ram_gib * GIB);
        prop_assert!(calibration.prove_peak_bytes(sizing.segment_cycles_max) <= sizing.segment_bytes_max);
        prop_assert!((1..=cores).contains(&sizing.slots));
        prop_assert!((calibration.segment_cycles_min..=calibration.segment_cycles_max).contains(&sizing.segment_cycles_max));
    }
}

#[test]
fn proofs_that_open_many_columns_take_the_memory_of_wide_folds() {
    let wide = WideFold { columns_min: 1_000, peak_bytes: vec![70, 80] };
    let fold = FoldCost { peak_bytes: vec![10, 20, 30], wide: Some(wide), fixed_cpu_ms: 0, cpu_ms_per_child: 0 };
    assert_eq!(
        [(1, 999), (2, 1_999), (3, 0), (9, 0)].map(|(n, columns)| fold.peak_bytes(n, columns)),
        [10, 20, 30, 30]
    );
    assert_eq!([(1, 1_000), (2, 2_000), (4, 4_000)].map(|(n, columns)| fold.peak_bytes(n, columns)), [70, 80, 80]);
}
