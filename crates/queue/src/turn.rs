//! What workers ask for, and what they get: tasks and the recording of results, which take turns on the way to the database.

use crate::{
    Claimed, Completion, Offer, Queue, QueueError,
    complete::Completing,
    database::Attempt,
    lane::Batch,
    task::{Event, Fence},
};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub enum Call {
    /// A task.
    Claim {
        offer: Offer,
        /// Not together with other offers.
        is_alone: bool,
    },
    /// To record a result.
    Complete(Completing),
}

/// What it gets.
#[derive(Debug)]
pub enum Answer {
    /// A task, if there is one.
    Claimed(Option<Claimed>),
    /// How the completion ended. A failure of the database is the error of the whole batch.
    Completed(Result<Completion, QueueError>),
}

/// Calls that come at once.
#[derive(Clone, Debug)]
pub struct Turns(pub Queue);

impl Batch for Turns {
    type Call = Call;
    type Answer = Answer;

    fn kind(call: &Call) -> usize {
        usize::from(matches!(call, Call::Complete(_)))
    }

    fn run<'a>(&'a self, calls: &'a [Call]) -> Attempt<'a, Vec<Answer>> {
        Box::pin(async move {
            let (mut offers, mut results) = (Vec::new(), Vec::new());
            for call in calls {
                match call {
                    Call::Claim { offer, is_alone } => offers.push((offer, *is_alone)),
                    Call::Complete(result) => results.push(result),
                }
            }
            // One of them is empty.
            let mut answers = Vec::with_capacity(calls.len());
            if !offers.is_empty() {
                answers.extend(self.0.claim_together(&offers).await?.into_iter().map(Answer::Claimed));
            }
            if !results.is_empty() {
                answers.extend(self.0.complete_together(&results).await?.into_iter().map(Answer::Completed));
            }
            Ok(answers)
        })
    }

    async fn undelivered(&self, call: Call, answer: Answer) {
        let (Call::Claim { offer, .. }, Answer::Claimed(Some(claimed))) = (call, answer) else { return };
        let (job, task) = (claimed.assignment.held.job, claimed.assignment.held.task);
        let fence = Fence { worker: offer.worker, attempt: claimed.assignment.held.attempt };
        if let Err(error) = self.0.one_step(job, task, Event::Released(fence)).await {
            tracing::debug!(%job, %task, %error, "a task whose worker went away waits for the end of its lease");
        }
    }
}
