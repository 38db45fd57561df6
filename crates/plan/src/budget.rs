//! Admission under a memory budget: may one more task start beside those that run?

/// Bytes that running tasks may use together. Engines' resident bytes are taken off before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// The sum that predicted peaks of running tasks never exceeds.
    pub total_bytes: u64,
}

/// A task that no amount of waiting would let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a task needs {needed_bytes} bytes, more than the whole budget of {budget_bytes}")]
pub struct TaskTooLarge {
    /// What the task needs.
    pub needed_bytes: u64,
    /// What there is for all tasks together.
    pub budget_bytes: u64,
}

impl Budget {
    /// What `ram_bytes` leave for tasks once the engine holds `resident_bytes`.
    pub const fn beside(ram_bytes: u64, resident_bytes: u64) -> Self {
        Self { total_bytes: ram_bytes.saturating_sub(resident_bytes) }
    }

    /// Whether a task of `next` bytes may start beside tasks of `running` bytes each.
    ///
    /// When it says no to the first ready task, wait for a running one to end instead of letting a smaller task pass:
    /// else a stream of small tasks keeps a large one waiting forever.
    pub fn admit(&self, running: &[u64], next: u64) -> bool {
        let sum = running.iter().try_fold(next, |sum, bytes| sum.checked_add(*bytes));
        sum.is_some_and(|sum| sum <= self.total_bytes)
    }

    /// Refuses a task that would wait forever. To be asked once per task, before it is queued.
    pub const fn check(&self, needed_bytes: u64) -> Result<(), TaskTooLarge> {
        if needed_bytes > self.total_bytes {
            return Err(TaskTooLarge { needed_bytes, budget_bytes: self.total_bytes });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_task_larger_than_the_budget_is_an_error_and_not_a_hang() {
        let budget = Budget::beside(10, 4);
        assert_eq!(budget.check(6), Ok(()));
        assert_eq!(budget.check(7), Err(TaskTooLarge { needed_bytes: 7, budget_bytes: 6 }));
        assert_eq!(Budget::beside(3, 4).check(1), Err(TaskTooLarge { needed_bytes: 1, budget_bytes: 0 }));
    }

    #[test]
    fn a_sum_that_does_not_fit_in_64_bits_is_not_admitted() {
        assert!(!Budget { total_bytes: u64::MAX }.admit(&[u64::MAX], 1));
    }

    proptest! {
        #[test]
        fn what_is_admitted_never_exceeds_the_budget(total in 0u64..1000, asks in prop::collection::vec(0u64..400, 0..40)) {
            let budget = Budget { total_bytes: total };
            let mut running = Vec::new();
            for next in asks {
                let fits = running.iter().sum::<u64>() + next <= total;
                prop_assert_eq!(budget.admit(&running, next), fits);
                if fits {
                    running.push(next);
                } else if !running.is_empty() {
                    running.remove(0);
                }
            }
        }

        #[test]
        fn what_passes_the_check_is_admitted_when_nothing_runs(total: u64, needed: u64) {
            let budget = Budget { total_bytes: total };
            prop_assert_eq!(budget.check(needed).is_ok(), budget.admit(&[], needed));
        }
    }
}
