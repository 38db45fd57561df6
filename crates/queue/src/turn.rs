//! What workers ask for at the same time, in one transaction: results are recorded, then tasks are given out.

use crate::{
    Claimed, Completion, Offer, Queue, QueueError,
    change::Change,
    claim::claim_each,
    complete::Completing,
    database::{Attempt, Dialect, until_won},
    lane::Batch,
    task::{Event, Fence},
};

/// What a worker asks for.
#[derive(Clone, Debug)]
pub enum Call {
    /// A task; if so, not in one statement with others.
    Claim(Offer, bool),
    /// To record a result.
    Complete(Completing),
}

/// What it gets.
#[derive(Debug)]
pub enum Answer {
    /// A task, if there is one.
    Claimed(Option<Claimed>),
    /// How the completion ended; the error of a whole turn is the database's.
    Completed(Result<Completion, QueueError>),
}

impl Answer {
    /// Of a claim.
    pub fn claimed(self) -> Option<Claimed> {
        match self {
            Self::Claimed(claimed) => claimed,
            Self::Completed(_) => None,
        }
    }

    /// Of a completion.
    pub fn completed(self) -> Result<Completion, QueueError> {
        match self {
            Self::Completed(completed) => completed,
            Self::Claimed(_) => Err(QueueError::Stopped),
        }
    }
}

/// Calls that come at once.
#[derive(Clone, Debug)]
pub struct Turns(pub Queue);

impl Batch for Turns {
    type Call = Call;
    type Answer = Answer;

    fn run<'a>(&'a self, calls: &'a [Call]) -> Attempt<'a, Vec<Answer>> {
        Box::pin(async move {
            let turn = &Turn::of(calls);
            let (recorded, claimed) = until_won(|| Box::pin(self.together(turn))).await?;
            if !recorded.is_empty() || claimed.iter().any(Option::is_some) {
                self.0.database.wakes().changed();
            }
            let (mut recorded, mut claimed) = (recorded.into_iter(), claimed.into_iter());
            let answer = |call: &Call| match call {
                Call::Claim(..) => claimed.next().map(Answer::Claimed),
                Call::Complete(_) => recorded.next().map(Answer::Completed),
            };
            Ok(calls.iter().filter_map(answer).collect())
        })
    }

    async fn undelivered(&self, call: Call, answer: Answer) {
        let (Call::Claim(offer, _), Answer::Claimed(Some(claimed))) = (call, answer) else { return };
        let held = claimed.assignment.held;
        let fence = Fence { worker: offer.worker, attempt: held.attempt };
        if let Err(error) = self.0.one_step(held.job, held.task, Event::Released(fence)).await {
            let (job, task) = (held.job, held.task);
            tracing::debug!(%job, %task, %error, "a task whose worker went away waits for the end of its lease");
        }
    }
}

/// Calls by what they ask for.
struct Turn<'a> {
    results: Vec<&'a Completing>,
    offers: Vec<(&'a Offer, bool)>,
}

impl<'a> Turn<'a> {
    fn of(calls: &'a [Call]) -> Self {
        let mut turn = Self { results: Vec::new(), offers: Vec::new() };
        for call in calls {
            match call {
                Call::Claim(offer, is_alone) => turn.offers.push((offer, *is_alone)),
                Call::Complete(result) => turn.results.push(result),
            }
        }
        turn
    }
}

type Answers = (Vec<Result<Completion, QueueError>>, Vec<Option<Claimed>>);

impl Turns {
    async fn together(&self, turn: &Turn<'_>) -> Result<Answers, QueueError> {
        let database = &self.0.database;
        if database.dialect() == Dialect::Postgres && turn.results.is_empty() {
            let mut connection = database.loose().acquire().await?;
            let claimed = claim_each(&mut connection, database.dialect(), database.now(), &turn.offers).await?;
            return Ok((Vec::new(), claimed));
        }
        let mut change = Change::begin_timeless(database).await?;
        let answers = change.take(turn).await;
        change.end(answers).await
    }
}

impl Change {
    async fn take(&mut self, turn: &Turn<'_>) -> Result<Answers, QueueError> {
        let recorded = if turn.results.is_empty() { Vec::new() } else { self.complete(&turn.results).await? };
        let (dialect, now) = (self.database.dialect(), self.database.now().to_owned());
        let claimed = claim_each(&mut self.transaction, dialect, &now, &turn.offers).await?;
        Ok((recorded, claimed))
    }
}
