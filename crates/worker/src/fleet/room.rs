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

/// Where tasks run. Each is asked for by itself, so that waiting for one kind of work does not hold up the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// One execution at a time.
    Execution,
    /// Everything else.
    Slots,
}

impl Lane {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Execution, Self::Slots];

    const fn of(kind: TaskKind) -> Self {
        match kind {
            TaskKind::Execute => Self::Execution,
            TaskKind::Prove | TaskKind::Fold | TaskKind::Seal => Self::Slots,
        }
    }
}

/// What to ask the gateway for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wish {
    pub lane: Lane,
    pub kinds: Vec<TaskKind>,
    pub ram_bytes: u64,
    /// Whether there may soon be room for more than this, because a task beside it ends.
    pub may_grow: bool,
}

impl Room {
    /// A worker that runs nothing.
    pub fn new(kinds: Vec<TaskKind>, slots: usize, cores: usize, budget: Budget) -> Self {
        Self { kinds, slots, cores, budget, taken: BTreeMap::new() }
    }

    /// What could start now in a lane, if anything.
    pub fn wish(&self, lane: Lane) -> Option<Wish> {
        let kinds: Vec<TaskKind> = self.kinds.iter().copied().filter(|kind| Lane::of(*kind) == lane).collect();
        let busy = self.taken.keys().filter(|held| Lane::of(held.task.0.kind()) == lane).count();
        let places = match lane {
            Lane::Execution => 1,
            Lane::Slots => self.slots,
        };
        if kinds.is_empty() || busy >= places {
            return None;
        }
        let used = self.taken.values().fold(0_u64, |sum, taken| sum.saturating_add(taken.bytes));
        let ram_bytes = self.budget.total_bytes.saturating_sub(used);
        Some(Wish { lane, kinds, ram_bytes, may_grow: lane == Lane::Slots && busy > 0 })
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
        assert_eq!(room.wish(Lane::Execution), None);
        let wish = room.wish(Lane::Slots).unwrap();
        assert_eq!(wish.kinds, [TaskKind::Prove, TaskKind::Fold, TaskKind::Seal]);
        assert_eq!((wish.ram_bytes, wish.may_grow), (95, false));
        assert_eq!(room.enter(held(job, Position::Prove { index: 0 }), 60), 4);
        assert_eq!(room.wish(Lane::Slots), None);
        room.leave(&held(job, Position::Execute));
        assert_eq!(room.wish(Lane::Execution).unwrap().kinds, [TaskKind::Execute]);
        room.leave(&held(job, Position::Prove { index: 0 }));
        assert_eq!(room.wish(Lane::Slots).unwrap().ram_bytes, 100);
    }

    #[test]
    fn a_worker_asks_for_nothing_that_it_does_not_run() {
        let room = Room::new(vec![TaskKind::Prove], 1, 1, Budget { total_bytes: 100 });
        assert_eq!(room.wish(Lane::Execution), None);
        assert_eq!(room.wish(Lane::Slots).unwrap().kinds, [TaskKind::Prove]);
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
        let wish = room.wish(Lane::Slots).unwrap();
        assert_eq!((wish.ram_bytes, wish.may_grow), (0, true));
    }
}
