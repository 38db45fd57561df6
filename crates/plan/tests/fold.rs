//! The fold tree and its streaming planner, for 1 to 10,000 segments and any order of events.

use std::collections::{BTreeSet, HashSet};

use phalanx_plan::{FoldError, FoldNode, FoldPlanner, FoldShape, FoldTree, Position, SEGMENTS_MAX};
use proptest::prelude::*;

fn openvm() -> FoldShape {
    FoldShape { arities: vec![4, 3, 3] }
}

fn any_shape() -> impl Strategy<Value = FoldShape> {
    prop_oneof![Just(openvm()), prop::collection::vec(2u32..6, 1..5).prop_map(|arities| FoldShape { arities })]
}

/// Mostly few segments, where all the partial nodes are; sometimes many.
fn any_segments() -> impl Strategy<Value = u32> {
    prop_oneof![3 => 1u32..=120, 1 => 1u32..=10_000]
}

/// A small generator, so that one seed from proptest orders ten thousand events.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

enum Event {
    Segment(u32),
    Fold(u32, u32),
    Total,
}

/// Plays a whole job in an order drawn from `seed` and returns the nodes in the order they were handed out.
fn stream(shape: &FoldShape, segments: u32, seed: u64) -> Result<Vec<FoldNode>, TestCaseError> {
    let mut random = Random(seed);
    let mut planner = FoldPlanner::new(shape.clone()).unwrap();
    let mut pending: Vec<Event> = (0..segments).map(Event::Segment).chain([Event::Total]).collect();
    let mut done: HashSet<(u32, u32)> = HashSet::new();
    let mut segments_done = HashSet::new();
    let mut nodes = Vec::new();
    while !pending.is_empty() {
        prop_assert!(!planner.is_complete());
        let at = random.below(pending.len());
        // Delivered twice now and then, as queues do.
        let times = 1 + usize::from(random.below(8) == 0);
        let event = pending.swap_remove(at);
        for _ in 0..times {
            match event {
                Event::Segment(index) => {
                    planner.segment_done(index).unwrap();
                    segments_done.insert(index);
                }
                Event::Fold(layer, index) => {
                    planner.fold_done(layer, index).unwrap();
                    done.insert((layer, index));
                }
                Event::Total => planner.segments_total(segments).unwrap(),
            }
        }
        let mut before = None;
        while let Some(node) = planner.next_ready() {
            let position = Position::Fold { layer: node.layer, index: node.index };
            prop_assert!(before < Some(position), "handed out {position} after {before:?}");
            before = Some(position);
            for child in node.children.clone() {
                let there = match node.layer.checked_sub(1) {
                    Some(below) => done.contains(&(below, child)),
                    None => segments_done.contains(&child),
                };
                prop_assert!(there, "{position} was ready before its child {child}");
            }
            pending.push(Event::Fold(node.layer, node.index));
            nodes.push(node);
        }
    }
    prop_assert!(planner.is_complete());
    prop_assert_eq!(planner.folds(), Some(nodes.len() as u32));
    prop_assert_eq!(planner.segments_done(), segments);
    Ok(nodes)
}

/// Every segment exactly once, in order, each at the same depth.
fn check_tree(shape: &FoldShape, segments: u32) {
    let tree = FoldTree::new(shape, segments).unwrap();
    let mut below = segments;
    for (layer, nodes) in tree.layers().iter().enumerate() {
        let mut next = 0;
        for (index, node) in nodes.iter().enumerate() {
            assert_eq!((node.layer as usize, node.index as usize), (layer, index));
            assert_eq!(node.children.start, next, "children of neighbours are adjacent");
            assert!(!node.children.is_empty());
            assert!(node.children.len() <= shape.arity(node.layer) as usize);
            assert!(index + 1 == nodes.len() || node.children.len() == shape.arity(node.layer) as usize);
            next = node.children.end;
        }
        assert_eq!(next, below, "every proof of the layer below is folded");
        below = nodes.len() as u32;
    }
    assert_eq!(below, 1, "one proof is left");
    assert!(tree.layers().len() >= shape.arities.len(), "every listed layer runs");
    let needless = tree.layers().len() > shape.arities.len() && tree.layers()[tree.layers().len() - 2].len() == 1;
    assert!(!needless, "no layer runs after one proof is left");
}

#[test]
fn the_openvm_tree_is_sound_for_every_size_up_to_ten_thousand() {
    for segments in 1..=10_000 {
        check_tree(&openvm(), segments);
    }
}

proptest! {
    #[test]
    fn any_tree_is_sound(shape in any_shape(), segments in any_segments()) {
        check_tree(&shape, segments);
    }

    #[test]
    fn streaming_gives_the_same_tree_in_any_order_of_events(
        shape in any_shape(),
        segments in any_segments(),
        seed: u64,
    ) {
        let mut nodes = stream(&shape, segments, seed)?;
        nodes.sort_by_key(|node| (node.layer, node.index));
        let tree = FoldTree::new(&shape, segments).unwrap();
        prop_assert!(nodes.iter().eq(tree.nodes()), "each node once, nothing left over");
    }

    #[test]
    fn the_same_events_give_the_same_plan(segments in 1u32..200, seed: u64) {
        prop_assert_eq!(stream(&openvm(), segments, seed)?, stream(&openvm(), segments, seed)?);
    }
}

#[test]
fn a_full_node_does_not_wait_for_the_total() {
    let mut planner = FoldPlanner::new(openvm()).unwrap();
    for index in [3, 1, 0, 2, 4] {
        planner.segment_done(index).unwrap();
    }
    assert_eq!(planner.next_ready(), Some(FoldNode { layer: 0, index: 0, children: 0..4 }));
    assert_eq!(planner.next_ready(), None, "segment 4 may get neighbours");
    planner.segments_total(5).unwrap();
    assert_eq!(planner.next_ready(), Some(FoldNode { layer: 0, index: 1, children: 4..5 }));
}

#[test]
fn the_total_alone_can_complete_the_tree() {
    let mut planner = FoldPlanner::new(FoldShape { arities: vec![2] }).unwrap();
    planner.segment_done(0).unwrap();
    planner.segment_done(1).unwrap();
    assert_eq!(planner.next_ready().map(|node| node.children), Some(0..2));
    planner.fold_done(0, 0).unwrap();
    assert_eq!((planner.is_complete(), planner.root_layer()), (false, None));
    planner.segments_total(2).unwrap();
    assert_eq!((planner.is_complete(), planner.root_layer()), (true, Some(0)));
    assert_eq!(planner.next_ready(), None);
}

#[test]
fn higher_layers_come_first() {
    let mut planner = FoldPlanner::new(FoldShape { arities: vec![2] }).unwrap();
    for index in 0..4 {
        planner.segment_done(index).unwrap();
    }
    planner.next_ready().unwrap();
    planner.next_ready().unwrap();
    planner.fold_done(0, 1).unwrap();
    planner.segment_done(6).unwrap();
    planner.segment_done(7).unwrap();
    planner.fold_done(0, 0).unwrap();
    let layers: Vec<u32> = std::iter::from_fn(|| planner.next_ready()).map(|node| node.layer).collect();
    assert_eq!(layers, [1, 0]);
}

#[test]
fn an_event_that_cannot_be_changes_nothing() {
    let mut planner = FoldPlanner::new(openvm()).unwrap();
    assert_eq!(planner.fold_done(0, 0), Err(FoldError::NotHandedOut { layer: 0, index: 0 }));
    assert_eq!(
        planner.fold_done(u32::MAX, u32::MAX),
        Err(FoldError::NotHandedOut { layer: u32::MAX, index: u32::MAX })
    );
    assert_eq!(planner.segment_done(u32::MAX), Err(FoldError::TooManySegments { segments: u64::from(u32::MAX) + 1 }));
    assert_eq!(planner.segments_total(0), Err(FoldError::NoSegments));
    for index in 0..6 {
        planner.segment_done(index).unwrap();
    }
    assert_eq!(planner.segments_total(5), Err(FoldError::SegmentsTooFew { segments: 5, proven: 5 }));
    planner.segments_total(6).unwrap();
    assert_eq!(planner.segments_total(7), Err(FoldError::TotalChanged { segments: 7, before: 6 }));
    assert_eq!(planner.segment_done(6), Err(FoldError::NoSuchSegment { index: 6, segments: 6 }));
    // Ready is not handed out: nobody can have done it.
    assert_eq!(planner.fold_done(0, 0), Err(FoldError::NotHandedOut { layer: 0, index: 0 }));

    let mut handed_out = BTreeSet::new();
    while let Some(node) = planner.next_ready() {
        assert!(handed_out.insert((node.layer, node.index)));
        planner.fold_done(node.layer, node.index).unwrap();
    }
    assert!(planner.is_complete());
    assert_eq!(handed_out.len(), FoldTree::new(&openvm(), 6).unwrap().nodes().count());
}

#[test]
fn the_largest_job_is_planned() {
    let mut planner = FoldPlanner::new(openvm()).unwrap();
    planner.segments_total(SEGMENTS_MAX).unwrap();
    let mut folds = 0;
    for index in (0..SEGMENTS_MAX).rev() {
        planner.segment_done(index).unwrap();
        while let Some(node) = planner.next_ready() {
            planner.fold_done(node.layer, node.index).unwrap();
            folds += 1;
        }
    }
    assert!(planner.is_complete());
    assert_eq!(Some(folds), planner.folds());
}
