//! What a worker has room for: the pure part of asking for tasks.
//!
//! In: what runs. Out: which kinds of tasks to ask for, how much RAM is left for them, how many threads one gets. One
//! execution runs beside the slots, as in the local pool: it needs one core and work for the slots comes out of it.

use std::collections::BTreeMap;

use phalanx_api::Held;
use phalanx_plan::{Budget, Position, TaskKind};

/// What a worker has and what of it is taken.
pub struct Room {
    kinds: Vec<TaskKind>,
    slots: usize,
    cores: usize,
    budget: Budget,
    taken: BTreeMap<Held, Taken>,
}

#[derive(Clone, Copy)]
struct Taken {
    bytes: u64,
    cores: usize,
}

/// What to ask the gateway for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    pub kinds: Vec<TaskKind>,
    pub ram_bytes: u64,
    /// Whether nothing runs, so that what is left only grows smaller by what is asked for.
    pub is_idle: bool,
}

impl Room {
    /// A worker that runs nothing.
    pub fn new(kinds: Vec<TaskKind>, slots: usize, cores: usize, budget: Budget) -> Self {
        Self { kinds, slots, cores, budget, taken: BTreeMap::new() }
    }

    /// What could start now, if anything.
    pub fn wish(&self) -> Option<Wish> {
        let is_execution = |held: &&Held| held.task.0 == Position::Execute;
        let executions = self.taken.keys().filter(is_execution).count();
        let has_slot = self.taken.len() - executions < self.slots;
        let fits = |kind: &TaskKind| if *kind == TaskKind::Execute { executions == 0 } else { has_slot };
        let kinds: Vec<TaskKind> = self.kinds.iter().copied().filter(fits).collect();
        if kinds.is_empty() {
            return None;
        }
        let used = self.taken.values().fold(0_u64, |sum, taken| sum.saturating_add(taken.bytes));
        let ram_bytes = self.budget.total_bytes.saturating_sub(used);
        Some(Wish { kinds, ram_bytes, is_idle: self.taken.is_empty() })
    }

    /// A task takes its place. Gives its threads: an execution one; a fold or a seal, which are short and on which the rest
    /// waits, all that are free; a proof its share, since others like it will follow.
    pub fn enter(&mut self, held: Held, ram_bytes: u64) -> usize {
        let busy: usize = self.taken.values().map(|taken| taken.cores).sum();
        let share = (self.cores / self.slots).max(1);
        let cores = match held.task.0.kind() {
            TaskKind::Execute => 1,
            TaskKind::Prove => share,
            TaskKind::Fold | TaskKind::Seal => share.max(self.cores.saturating_sub(busy)),
        };
        // The execution waits for the others most of the time.
        let counted = if held.task.0 == Position::Execute { 0 } else { cores };
        self.taken.insert(held, Taken { bytes: ram_bytes, cores: counted });
        cores
    }

    /// A task's place is free again.
    pub fn leave(&mut self, held: &Held) {
        self.taken.remove(held);
    }
}

#[cfg(test)]
mod tests {
    use phalanx_api::{JobId, TaskId};

    use super::*;

    fn held(job: JobId, position: Position) -> Held {
        Held { job, task: TaskId(position), attempt: 1 }
    }

    fn room(slots: usize, cores: usize) -> Room {
        let kinds = vec![TaskKind::Execute, TaskKind::Prove, TaskKind::Fold, TaskKind::Seal];
        Room::new(kinds, slots, cores, Budget { total_bytes: 100 })
    }

    #[test]
    fn an_execution_runs_beside_the_slots_and_only_one_at_a_time() {
        let job = JobId::new();
        let mut room = room(1, 4);
        assert_eq!(room.enter(held(job, Position::Execute), 5), 1);
        let wish = room.wish().unwrap();
        assert_eq!(wish.kinds, [TaskKind::Prove, TaskKind::Fold, TaskKind::Seal]);
        assert_eq!((wish.ram_bytes, wish.is_idle), (95, false));
        assert_eq!(room.enter(held(job, Position::Prove { index: 0 }), 60), 4);
        assert_eq!(room.wish(), None);
        room.leave(&held(job, Position::Execute));
        assert_eq!(room.wish().unwrap().kinds, [TaskKind::Execute]);
        room.leave(&held(job, Position::Prove { index: 0 }));
        assert_eq!(room.wish().unwrap().kinds.len(), 4);
    }

    #[test]
    fn proofs_share_the_cores_and_a_fold_alone_gets_them_all() {
        let job = JobId::new();
        let mut room = room(2, 6);
        let fold = held(job, Position::Fold { layer: 0, index: 0 });
        assert_eq!(room.enter(fold, 1), 6);
        room.leave(&fold);
        assert_eq!(room.enter(held(job, Position::Prove { index: 0 }), 1), 3);
        assert_eq!(room.enter(fold, 1), 3);
    }

    #[test]
    fn ram_that_is_taken_twice_over_leaves_none() {
        let job = JobId::new();
        let mut room = room(3, 1);
        for index in 0..2 {
            room.enter(held(job, Position::Prove { index }), 60);
        }
        assert_eq!(room.wish().unwrap().ram_bytes, 0);
    }
}
