//! Small jobs beside a huge one: nobody starves.

use crate::cluster::on_both;

#[test]
fn small_jobs_are_done_while_a_huge_one_runs_and_the_huge_one_is_done_too() {
    on_both(|fleet| {
        let part = fleet.part("worker");
        let huge = fleet.submit(300, 0);
        fleet.worker(&part);
        crate::cluster::until("the huge job is under way", || fleet.done(huge) > 5);
        for seed in 1..=3 {
            let small = fleet.submit(2, seed);
            fleet.proven(small, 2);
        }
        assert!(!fleet.job(huge).state.is_over(), "the small ones did not wait for it");
        fleet.proven(huge, 300);
    });
}
