//! Calls that come at the same time share a way to the database.
//!
//! In: calls of two kinds. Out: the answer of each, after the commit. While a batch runs, the calls that come are gathered for
//! the next, which is of the kind of which more wait; one that was passed over goes next. Callers that are answered together
//! come back together, so a batch waits a moment for those that were answered just now. A batch that fails is run again call
//! by call, so that each answer is its caller's own.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::oneshot, task::yield_now};

use crate::{QueueError, database::Attempt};

/// Calls that share a way at most.
const BATCH_MAX: usize = 32;
/// Who was answered longer ago is not waited for. A way to a database takes several times as long.
const RETURN_MAX: Duration = Duration::from_micros(200);

type Waiting<Q, R> = (Q, oneshot::Sender<Result<R, QueueError>>);

#[derive(Debug)]
struct State<Q, R> {
    /// By kind.
    waiting: [Vec<Waiting<Q, R>>; 2],
    /// Somebody takes and runs what waits.
    is_running: bool,
    /// How many were answered in the last batch and did not call again, and when that was.
    returning: Option<(usize, Instant)>,
    /// The kind that was passed over.
    passed_over: Option<usize>,
}

/// Calls of which one batch runs at a time.
#[derive(Debug)]
pub struct Lane<Q, R>(Arc<Mutex<State<Q, R>>>);

impl<Q, R> Clone for Lane<Q, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q, R> Default for Lane<Q, R> {
    fn default() -> Self {
        let waiting = [Vec::new(), Vec::new()];
        Self(Arc::new(Mutex::new(State { waiting, is_running: false, returning: None, passed_over: None })))
    }
}

/// What a lane does with its calls.
pub trait Batch: Clone + Send + Sync + 'static {
    /// A call.
    type Call: Clone + Send + Sync + 'static;
    /// Its answer.
    type Answer: Send + 'static;

    /// A batch is of one kind: 0 or 1.
    fn kind(call: &Self::Call) -> usize;

    /// Runs calls: an answer for each, in order.
    fn run<'a>(&'a self, calls: &'a [Self::Call]) -> Attempt<'a, Vec<Self::Answer>>;

    /// The caller of this one has gone without its answer.
    fn undelivered(&self, call: Self::Call, answer: Self::Answer) -> impl Future<Output = ()> + Send;
}

impl<Q: Clone + Send + Sync + 'static, R: Send + 'static> Lane<Q, R> {
    /// Runs a call together with those that wait.
    pub async fn call<B: Batch<Call = Q, Answer = R>>(&self, batch: &B, call: Q) -> Result<R, QueueError> {
        let (reply, answer) = oneshot::channel();
        let was_running = {
            let mut state = self.lock();
            state.waiting[B::kind(&call) & 1].push((call, reply));
            if let Some((callers, _)) = &mut state.returning {
                *callers = callers.saturating_sub(1);
            }
            mem::replace(&mut state.is_running, true)
        };
        if !was_running {
            // Not within this future: when its caller gives up, the others still want their answers.
            tokio::spawn(drain(self.clone(), batch.clone()));
        }
        answer.await.unwrap_or(Err(QueueError::Stopped))
    }

    fn next(&self) -> Vec<Waiting<Q, R>> {
        let mut state = self.lock();
        let [first, second] = [0, 1].map(|kind| state.waiting[kind].len());
        let more = usize::from(second >= first);
        let kind = state.passed_over.take().filter(|kind| !state.waiting[*kind].is_empty()).unwrap_or(more);
        state.passed_over = (!state.waiting[1 - kind].is_empty()).then_some(1 - kind);
        let count = state.waiting[kind].len().min(BATCH_MAX);
        state.is_running = count > 0;
        state.waiting[kind].drain(..count).collect()
    }

    /// Whether some that were answered just now have not come back.
    fn is_awaited(&self) -> bool {
        self.lock().returning.is_some_and(|(callers, since)| callers > 0 && since.elapsed() < RETURN_MAX)
    }
}

impl<Q, R> Lane<Q, R> {
    fn lock(&self) -> MutexGuard<'_, State<Q, R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever takes and runs calls. When a batch panics, its callers and all that wait are told so, and the next call starts
/// another.
struct Runner<Q, R>(Lane<Q, R>);

impl<Q, R> Drop for Runner<Q, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.is_running = false;
            state.waiting.iter_mut().for_each(Vec::clear);
        }
    }
}

async fn drain<Q, R, B>(lane: Lane<Q, R>, batch: B)
where
    Q: Clone + Send + Sync + 'static,
    R: Send + 'static,
    B: Batch<Call = Q, Answer = R>,
{
    let _runner = Runner(lane.clone());
    loop {
        while lane.is_awaited() {
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
        lane.lock().returning = Some((calls.len(), Instant::now()));
        for ((call, reply), answer) in calls.into_iter().zip(replies).zip(answers) {
            if let Err(Ok(answer)) = reply.send(answer) {
                batch.undelivered(call, answer).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A double that panics at zero and says what it was told otherwise.
    #[derive(Clone)]
    struct Echo;

    impl Batch for Echo {
        type Call = u32;
        type Answer = u32;

        fn kind(call: &u32) -> usize {
            (*call % 2) as usize
        }

        fn run<'a>(&'a self, calls: &'a [u32]) -> Attempt<'a, Vec<u32>> {
            Box::pin(async move {
                assert!(!calls.contains(&0), "a zero");
                Ok(calls.to_vec())
            })
        }

        async fn undelivered(&self, _: u32, _: u32) {}
    }

    #[tokio::test]
    async fn calls_of_both_kinds_get_their_own_answers() {
        let lane = Lane::default();
        let calls = (1..100).map(|call| {
            let lane = lane.clone();
            tokio::spawn(async move { lane.call(&Echo, call).await.unwrap() == call })
        });
        for call in calls.collect::<Vec<_>>() {
            assert!(call.await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_batch_that_panics_stops_nobody_else() {
        let lane = Lane::default();
        assert!(matches!(lane.call(&Echo, 0).await, Err(QueueError::Stopped)));
        assert_eq!(lane.call(&Echo, 7).await.unwrap(), 7);
    }
}
