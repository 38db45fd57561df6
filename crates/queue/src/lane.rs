//! Calls that come at the same time share one transaction.
//!
//! In: calls of one kind. Out: the answer of each, after the commit. While batches run, the calls that come are gathered for
//! the next, so nobody waits longer than without it. Callers that are answered together come back together, so a batch begins
//! only when no answers are under way. A batch that fails is run again call by call, so that each answer is its caller's own.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{sync::oneshot, task::yield_now};

use crate::{QueueError, database::Attempt};

/// Calls that share one transaction at most.
const BATCH_MAX: usize = 32;
/// So often those that can run do so before a batch begins, because some of them may be about to call.
const YIELDS: usize = 8;

type Waiting<Q, R> = (Q, oneshot::Sender<Result<R, QueueError>>);

#[derive(Debug)]
struct State<Q, R> {
    waiting: Vec<Waiting<Q, R>>,
    running: usize,
    running_max: usize,
}

/// Closed while answers are given, for all lanes of the same callers.
#[derive(Clone, Default, Debug)]
pub struct Door(Arc<tokio::sync::Mutex<()>>);

/// Calls of one kind.
#[derive(Debug)]
pub struct Lane<Q, R> {
    state: Arc<Mutex<State<Q, R>>>,
    door: Door,
}

impl<Q, R> Clone for Lane<Q, R> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), door: self.door.clone() }
    }
}

impl<Q, R> Lane<Q, R> {
    /// A lane with so many batches under way at most: while one waits for a server's disk, the next does its work.
    pub fn new(running_max: usize, door: &Door) -> Self {
        let state = State { waiting: Vec::new(), running: 0, running_max };
        Self { state: Arc::new(Mutex::new(state)), door: door.clone() }
    }
}

/// What a lane does with its calls.
pub trait Batch: Clone + Send + Sync + 'static {
    /// A call.
    type Call: Clone + Send + Sync + 'static;
    /// Its answer.
    type Answer: Send + 'static;

    /// Runs calls in one transaction: an answer for each, in order.
    fn run<'a>(&'a self, calls: &'a [Self::Call]) -> Attempt<'a, Vec<Self::Answer>>;

    /// The caller of this one has gone without its answer.
    fn undelivered(&self, call: Self::Call, answer: Self::Answer) -> impl Future<Output = ()> + Send;
}

impl<Q: Clone + Send + Sync + 'static, R: Send + 'static> Lane<Q, R> {
    /// Runs a call together with those that wait.
    pub async fn call<B: Batch<Call = Q, Answer = R>>(&self, batch: &B, call: Q) -> Result<R, QueueError> {
        let (reply, answer) = oneshot::channel();
        let is_free = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.waiting.push((call, reply));
            let is_free = state.running < state.running_max;
            state.running += usize::from(is_free);
            is_free
        };
        if is_free {
            // Not within this future: when its caller gives up, the others still want their answers.
            tokio::spawn(drain(self.clone(), batch.clone()));
        }
        answer.await.unwrap_or(Err(QueueError::Stopped))
    }

    fn next(&self) -> Vec<Waiting<Q, R>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.waiting.len().min(BATCH_MAX);
        state.running -= usize::from(count == 0);
        state.waiting.drain(..count).collect()
    }
}

async fn drain<Q, R, B>(lane: Lane<Q, R>, batch: B)
where
    Q: Clone + Send + Sync + 'static,
    R: Send + 'static,
    B: Batch<Call = Q, Answer = R>,
{
    loop {
        drop(lane.door.0.lock().await);
        for _ in 0..YIELDS {
            yield_now().await;
        }
        let waiting = lane.next();
        if waiting.is_empty() {
            return;
        }
        let (calls, replies): (Vec<Q>, Vec<_>) = waiting.into_iter().unzip();
        let answers = match batch.run(&calls).await {
            Ok(answers) => answers.into_iter().map(Ok).collect(),
            Err(error) if calls.len() == 1 => vec![Err(error)],
            Err(error) => {
                tracing::debug!(%error, "a batch of {} calls runs again one by one", calls.len());
                let mut answers = Vec::with_capacity(calls.len());
                for call in &calls {
                    let answer = batch.run(std::slice::from_ref(call)).await;
                    answers.push(answer.and_then(|mut answers| answers.pop().ok_or(QueueError::Stopped)));
                }
                answers
            }
        };
        let mut undelivered = Vec::new();
        let answering = lane.door.0.lock().await;
        for ((call, reply), answer) in calls.into_iter().zip(replies).zip(answers) {
            if let Err(Ok(answer)) = reply.send(answer) {
                undelivered.push((call, answer));
            }
        }
        drop(answering);
        for (call, answer) in undelivered {
            batch.undelivered(call, answer).await;
        }
    }
}
