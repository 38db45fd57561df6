//! Fold planning while the execution still runs: which folds can start, given what is done so far.
//!
//! In: events (a segment is proven, a fold is done, the execution has ended), in any order and possibly repeated. Out:
//! each node of the [`FoldTree`](crate::FoldTree) exactly once, as soon as its children are there. A full node needs
//! only its children; the partial last node of a layer also needs the total, and only the total tells which node is the
//! root.

use std::collections::BTreeSet;

use crate::{FoldError, FoldNode, FoldShape, Position, shape::SEGMENTS_MAX};

/// Plans folds from events. An event that returns an error changed nothing.
#[derive(Clone, Debug)]
pub struct FoldPlanner {
    shape: FoldShape,
    /// Level 0 holds the segments, level `l + 1` the nodes of layer `l`. Levels and items appear when first touched.
    levels: Vec<Vec<Item>>,
    /// Items of each level, known once the execution has ended; level 0 has all segments, the last one only the root.
    widths: Option<Vec<u32>>,
    ready: BTreeSet<Position>,
    proven: u32,
}

#[derive(Clone, Copy, Default, Debug)]
struct Item {
    children_done: u32,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum State {
    #[default]
    Waiting,
    Ready,
    HandedOut,
    Done,
}

impl FoldPlanner {
    /// A plan in which nothing is done yet.
    pub fn new(shape: FoldShape) -> Result<Self, FoldError> {
        shape.check()?;
        Ok(Self { shape, levels: Vec::new(), widths: None, ready: BTreeSet::new(), proven: 0 })
    }

    /// Segment `index` is proven. Saying so again changes nothing.
    pub fn segment_done(&mut self, index: u32) -> Result<(), FoldError> {
        if let Some(segments) = self.segments().filter(|segments| index >= *segments) {
            return Err(FoldError::NoSuchSegment { index, segments });
        }
        if index >= SEGMENTS_MAX {
            return Err(FoldError::TooManySegments { segments: u64::from(index) + 1 });
        }
        if self.item(0, index).state != State::Done {
            self.proven += 1;
            self.done(0, index);
        }
        Ok(())
    }

    /// The fold that [`next_ready`](Self::next_ready) handed out is done. Saying so again changes nothing.
    pub fn fold_done(&mut self, layer: u32, index: u32) -> Result<(), FoldError> {
        let state = usize::try_from(layer)
            .ok()
            .and_then(|layer| self.levels.get(layer.checked_add(1)?))
            .and_then(|level| level.get(usize::try_from(index).ok()?))
            .map(|item| item.state);
        match state {
            Some(State::HandedOut) => self.done(layer as usize + 1, index),
            Some(State::Done) => {}
            Some(State::Waiting | State::Ready) | None => return Err(FoldError::NotHandedOut { layer, index }),
        }
        Ok(())
    }

    /// The execution has ended with this many segments. Saying so again changes nothing.
    pub fn segments_total(&mut self, segments: u32) -> Result<(), FoldError> {
        if let Some(before) = self.segments() {
            return if before == segments { Ok(()) } else { Err(FoldError::TotalChanged { segments, before }) };
        }
        let mut widths = self.shape.widths(segments)?;
        widths.insert(0, segments);
        // Level 0 grows only as far as the highest proven segment.
        let proven = self.levels.first().and_then(|level| u32::try_from(level.len()).ok()?.checked_sub(1));
        if let Some(proven) = proven.filter(|proven| *proven >= segments) {
            return Err(FoldError::SegmentsTooFew { segments, proven });
        }
        self.widths = Some(widths.clone());
        // The total completes the partial nodes, and each layer has at most one: its last.
        for (level, width) in widths.into_iter().enumerate().skip(1) {
            self.ready_if_complete(level, width - 1);
        }
        Ok(())
    }

    /// The next node to fold, by the order of [`Position`]; `None` when no node is ready at the moment.
    pub fn next_ready(&mut self) -> Option<FoldNode> {
        let Position::Fold { layer, index } = self.ready.pop_first()? else { return None };
        self.item(layer as usize + 1, index).state = State::HandedOut;
        Some(FoldNode::new(&self.shape, layer, index, self.width(layer as usize)))
    }

    /// How many segments are proven.
    pub fn segments_done(&self) -> u32 {
        self.proven
    }

    /// How many segments there are, once the execution has ended.
    pub fn segments(&self) -> Option<u32> {
        self.widths.as_ref()?.first().copied()
    }

    /// How many folds the whole tree has, once the execution has ended.
    pub fn folds(&self) -> Option<u32> {
        Some(self.widths.as_ref()?.iter().skip(1).sum())
    }

    /// The layer of the root, once the execution has ended. Its index is 0.
    pub fn root_layer(&self) -> Option<u32> {
        u32::try_from(self.widths.as_ref()?.len()).ok()?.checked_sub(2)
    }

    /// Whether the root is done, so that nothing is left to fold.
    pub fn is_complete(&self) -> bool {
        let root = self.root_layer().and_then(|layer| self.levels.get(layer as usize + 1)?.first());
        root.is_some_and(|root| root.state == State::Done)
    }

    /// Items of `level` as far as is known: all there could be until the execution has ended.
    fn width(&self, level: usize) -> u32 {
        match &self.widths {
            Some(widths) => widths.get(level).copied().unwrap_or(0),
            None => u32::MAX,
        }
    }

    /// The item, made if it is touched for the first time. Both indexes are bounded by the callers.
    fn item(&mut self, level: usize, index: u32) -> &mut Item {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        let level = &mut self.levels[level];
        let index = index as usize;
        if level.len() <= index {
            level.resize(index + 1, Item::default());
        }
        &mut level[index]
    }

    fn done(&mut self, level: usize, index: u32) {
        self.item(level, index).state = State::Done;
        let parent = index / self.shape.arity(level as u32);
        self.item(level + 1, parent).children_done += 1;
        self.ready_if_complete(level + 1, parent);
    }

    fn ready_if_complete(&mut self, level: usize, index: u32) {
        // The root has no parent; what was counted for one before the total was known is left alone.
        if index >= self.width(level) {
            return;
        }
        let layer = level as u32 - 1;
        let children = FoldNode::new(&self.shape, layer, index, self.width(level - 1)).children;
        let item = self.item(level, index);
        if item.state == State::Waiting && item.children_done == children.end - children.start {
            item.state = State::Ready;
            self.ready.insert(Position::Fold { layer, index });
        }
    }
}
