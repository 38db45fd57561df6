//! Telling the queue what an execution leads to, while it runs.
//!
//! In: segments in their order, then how many there are. Out: the tasks that become known with each: its proof, every fold
//! whose children are known, at the end the seal. Pure; the same execution gives the same tasks in the same order.

use phalanx_api::{Input, NewTask, TaskId, TaskSpec};
use phalanx_claim::Digest;
use phalanx_engine::{CostHint, Engine, SegmentEntry};
use phalanx_plan::{FoldError, FoldNode, FoldPlanner, Position, Task};

/// Tasks that one message carries at most.
pub const BATCH_MAX: usize = 256;

/// What is known of a job's tasks so far.
pub struct Plan<'a> {
    engine: &'a dyn Engine,
    program: Digest,
    folds: FoldPlanner,
    /// Columns of the proofs by layer: level 0 are the segments, level `l + 1` the folds of layer `l`. A fold's cost
    /// follows from them.
    columns: Vec<Vec<u64>>,
    segments: u32,
}

impl<'a> Plan<'a> {
    /// Of a job that runs this program.
    pub fn new(engine: &'a dyn Engine, program: Digest) -> Result<Self, FoldError> {
        let folds = FoldPlanner::new(engine.fold_shape().clone())?;
        Ok(Self { engine, program, folds, columns: vec![Vec::new()], segments: 0 })
    }

    /// How many segments are known.
    pub const fn segments(&self) -> u32 {
        self.segments
    }

    /// The next segment.
    pub fn segment(&mut self, entry: &SegmentEntry) -> Result<Vec<NewTask>, FoldError> {
        let index = self.segments;
        self.folds.segment_done(index)?;
        self.segments += 1;
        if let Some(level) = self.columns.first_mut() {
            level.push(entry.hint.columns);
        }
        let prove = NewTask {
            task: TaskId(Position::Prove { index }),
            spec: TaskSpec::Prove { cycles: entry.hint.cycles },
            inputs: vec![Input::Artifact { digest: self.program }, Input::Artifact { digest: entry.digest }],
            ram_bytes: self.engine.cost(&Task::Prove, &entry.hint).peak_bytes,
        };
        let mut tasks = vec![prove];
        self.folds_into(&mut tasks)?;
        Ok(tasks)
    }

    /// The execution has ended: the folds that are not full, and the seal.
    pub fn end(&mut self) -> Result<Vec<NewTask>, FoldError> {
        self.folds.segments_total(self.segments)?;
        let mut tasks = Vec::new();
        self.folds_into(&mut tasks)?;
        if let Some(layer) = self.folds.root_layer() {
            let root = TaskId(Position::Fold { layer, index: 0 });
            tasks.push(NewTask {
                task: TaskId(Position::Seal),
                spec: TaskSpec::Seal,
                inputs: vec![
                    Input::Artifact { digest: self.program },
                    Input::Result { task: TaskId(Position::Execute) },
                    Input::Result { task: root },
                ],
                ram_bytes: self.engine.cost(&Task::Seal, &CostHint::default()).peak_bytes,
            });
        }
        Ok(tasks)
    }

    /// Every fold whose children are announced and that was not announced itself: to the planner they are done.
    fn folds_into(&mut self, tasks: &mut Vec<NewTask>) -> Result<(), FoldError> {
        while let Some(FoldNode { layer, index, children }) = self.folds.next_ready() {
            let below = self.columns.get(layer as usize);
            let known = |child: u32| below.and_then(|level| level.get(child as usize)).copied().unwrap_or(0);
            // Numbers of a stored execution are whatever somebody stored.
            let columns = children.clone().map(known).fold(0, u64::saturating_add);
            let hint = CostHint { children: children.end - children.start, columns, ..CostHint::default() };
            let child = |index| match layer.checked_sub(1) {
                None => Position::Prove { index },
                Some(layer) => Position::Fold { layer, index },
            };
            tasks.push(NewTask {
                task: TaskId(Position::Fold { layer, index }),
                spec: TaskSpec::Fold { layer },
                inputs: children.map(|index| Input::Result { task: TaskId(child(index)) }).collect(),
                ram_bytes: self.engine.cost(&Task::Fold { layer }, &hint).peak_bytes,
            });
            self.keep_columns(layer as usize + 1, index as usize, columns);
            self.folds.fold_done(layer, index)?;
        }
        Ok(())
    }

    fn keep_columns(&mut self, level: usize, index: usize, columns: u64) {
        if self.columns.len() <= level {
            self.columns.resize_with(level + 1, Vec::new);
        }
        if let Some(level) = self.columns.get_mut(level) {
            if level.len() <= index {
                level.resize(index + 1, 0);
            }
            level[index] = columns;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use phalanx_claim::EngineId;
    use phalanx_engine::{Artifact, Cost, Inputs, RunContext, TaskError};
    use phalanx_plan::{FoldShape, FoldTree};

    use super::*;

    /// Says what a task costs, and runs nothing.
    struct Costs(EngineId, FoldShape);

    impl Engine for Costs {
        fn id(&self) -> &EngineId {
            &self.0
        }

        fn fold_shape(&self) -> &FoldShape {
            &self.1
        }

        fn resident_bytes(&self) -> u64 {
            0
        }

        fn cost(&self, _: &Task, hint: &CostHint) -> Cost {
            Cost { peak_bytes: hint.columns, ..Cost::default() }
        }

        fn run(&self, _: &Task, _: &Inputs<'_>, _: &RunContext<'_>) -> Result<Artifact, TaskError> {
            Err(TaskError::Retry("it only says what tasks cost".into()))
        }
    }

    fn announced(segments: u32) -> Vec<NewTask> {
        let id = EngineId { name: "costs".into(), version: "1".into(), verifying_key: Digest::of(b"") };
        let engine = Costs(id, FoldShape { arities: vec![4, 3, 3] });
        let mut plan = Plan::new(&engine, Digest::of(b"program")).unwrap();
        let mut tasks = Vec::new();
        for index in 0..segments {
            let hint = CostHint { columns: 1, cycles: u64::from(index), ..CostHint::default() };
            tasks.extend(plan.segment(&SegmentEntry { digest: Digest::of(&index.to_le_bytes()), hint }).unwrap());
        }
        tasks.extend(plan.end().unwrap());
        tasks
    }

    #[test]
    fn the_announced_folds_are_those_of_the_tree_and_come_after_their_children() {
        for segments in (1..80).chain([107, 108, 109, 1000]) {
            let mut known = BTreeSet::from([TaskId(Position::Execute)]);
            let tasks = announced(segments);
            for task in &tasks {
                for input in &task.inputs {
                    let Input::Result { task: child } = input else { continue };
                    assert!(known.contains(child), "{segments} segments: {} comes before {child}", task.task);
                }
                assert!(known.insert(task.task), "{segments} segments: {} comes twice", task.task);
            }
            let tree = FoldTree::new(&FoldShape { arities: vec![4, 3, 3] }, segments).unwrap();
            let folds = tree.nodes().map(|node| TaskId(Position::Fold { layer: node.layer, index: node.index }));
            let proofs = (0..segments).map(|index| TaskId(Position::Prove { index }));
            let ends = [TaskId(Position::Execute), TaskId(Position::Seal)];
            assert_eq!(known, proofs.chain(folds).chain(ends).collect(), "{segments} segments");
            assert_eq!(tasks.last().map(|task| task.task), Some(TaskId(Position::Seal)));
        }
    }

    #[test]
    fn a_fold_costs_what_the_columns_below_it_say() {
        let tasks = announced(13);
        let ram = |position| tasks.iter().find(|task| task.task == TaskId(position)).unwrap().ram_bytes;
        assert_eq!(ram(Position::Fold { layer: 0, index: 0 }), 4);
        assert_eq!(ram(Position::Fold { layer: 0, index: 3 }), 1);
        assert_eq!(ram(Position::Fold { layer: 1, index: 0 }), 12);
        assert_eq!(ram(Position::Fold { layer: 2, index: 0 }), 13);
    }

    #[test]
    fn an_execution_that_runs_again_announces_the_same() {
        assert_eq!(announced(29), announced(29));
    }
}
