//! Which ready task starts now, in which slot and with how many threads.
//!
//! Tasks start strictly in order of rank: a task that does not fit yet is not overtaken by smaller ones, so nothing starves.

use phalanx_engine::Cost;
use phalanx_plan::{Position, TaskKind};

use super::{Effect, Limits, Running, Schedule, Settling, Start, State};
use crate::{JobError, TaskName};

impl Schedule<'_> {
    /// Starts every task that slots and memory allow. The sum of predicted peaks never exceeds the budget.
    pub(super) fn admit(&mut self, effects: &mut Vec<Effect>) -> Result<(), JobError> {
        while let Some(position) = self.ready.first().copied() {
            let task = TaskName::from(position);
            let cost = self.cost(task);
            self.check_fits_alone(task, &cost)?;
            if task.kind == TaskKind::Prove && self.settling == Settling::Asked {
                break;
            }
            let Some(slot) = self.free_slot(task) else { break };
            let peaks: Vec<u64> = self.running.values().map(|running| running.peak_bytes).collect();
            if !self.budget.admit(&peaks, cost.peak_bytes) {
                break;
            }
            let cores = self.cores_for(task, &cost);
            self.ready.pop_first();
            effects.extend(self.start(task, slot, cores, cost));
        }
        Ok(())
    }

    fn cost(&self, task: TaskName) -> Cost {
        let hint = self.nodes.get(&task).map(|node| node.hint).unwrap_or_default();
        self.engine.cost(&task.task(self.given.execute), &hint)
    }

    fn check_fits_alone(&self, task: TaskName, cost: &Cost) -> Result<(), JobError> {
        self.budget.check(cost.peak_bytes).map_err(|_| JobError::BudgetTooSmall {
            task,
            needed_bytes: self.engine.resident_bytes().saturating_add(cost.peak_bytes),
            budget_bytes: self.limits.ram_bytes,
        })
    }

    /// What the budget leaves besides the running tasks.
    fn free_bytes(&self) -> u64 {
        self.running.values().fold(self.budget.total_bytes, |free, running| free.saturating_sub(running.peak_bytes))
    }

    /// The lowest free slot. The execution has one of its own, after all others.
    fn free_slot(&self, task: TaskName) -> Option<usize> {
        if task == TaskName::EXECUTE {
            return Some(self.limits.slots);
        }
        (0..self.limits.slots).find(|slot| self.running.values().all(|running| running.slot != *slot))
    }

    /// How many threads a task gets: its share of the free cores among the tasks that can start beside it now, but never
    /// less than an equal share of all. So the last folds get the whole machine, and nothing waits for a core.
    fn cores_for(&self, task: TaskName, cost: &Cost) -> usize {
        if task == TaskName::EXECUTE {
            return 1;
        }
        let Limits { slots, cores, .. } = self.limits;
        let beside = |name: &&TaskName| **name != TaskName::EXECUTE;
        let busy: usize = self.running.iter().filter(|(name, _)| beside(name)).map(|(_, running)| running.cores).sum();
        let free_slots = slots - self.running.keys().filter(beside).count();
        let claimants = self.claimants(free_slots, cost);
        let share = cores.saturating_sub(busy) / claimants.max(1);
        let useful = if cost.cores == 0 { usize::MAX } else { cost.cores as usize };
        share.max(cores / slots).clamp(1, useful.max(1))
    }

    /// How many tasks, the first ready one included, are about to start in the free slots.
    fn claimants(&self, free_slots: usize, first: &Cost) -> usize {
        if self.expects_more() {
            // Those to come are taken to be as large as this one.
            let fit = self.free_bytes().checked_div(first.peak_bytes).unwrap_or(u64::MAX);
            return free_slots.min(usize::try_from(fit).unwrap_or(usize::MAX));
        }
        let mut free = self.free_bytes();
        let fits = |position: &&Position| {
            let left = free.checked_sub(self.cost(TaskName::from(**position)).peak_bytes);
            free = left.unwrap_or(0);
            left.is_some()
        };
        self.ready.iter().take(free_slots).take_while(fits).count()
    }

    /// Whether further tasks will be ready in no time.
    fn expects_more(&self) -> bool {
        self.looking > 0 || self.running.contains_key(&TaskName::EXECUTE)
    }

    fn start(&mut self, task: TaskName, slot: usize, cores: usize, cost: Cost) -> Option<Effect> {
        let node = self.nodes.get_mut(&task)?;
        let State::Ready(known) = &node.state else { return None };
        let known = known.clone();
        node.starts += 1;
        node.state = State::Running(known.clone());
        self.running.insert(task, Running { slot, cores, peak_bytes: cost.peak_bytes });
        Some(Effect::Start(Start {
            task,
            work: task.task(self.given.execute),
            inputs: known.inputs,
            key: known.key,
            slot,
            cores,
            attempt: node.starts,
            cost,
            cycles: node.hint.cycles,
        }))
    }
}
