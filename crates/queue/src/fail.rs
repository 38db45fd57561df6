//! Starts that failed: the worker's verdict decides what follows, for the task, for the worker and for whoever made its inputs.

use std::sync::Arc;

use phalanx_api::{Fail, Input, JobId, TaskId, TaskState, Verdict};
use phalanx_claim::Digest;
use phalanx_plan::Position;
use sqlx::Row;

use crate::{
    Queue, QueueError,
    announce::results,
    change::Change,
    row,
    task::{Event, Fence},
};

impl Queue {
    /// Records a failure. A proof that does not verify is a strike for its worker, too.
    pub async fn fail(&self, worker: &str, fail: &Fail) -> Result<(), QueueError> {
        let call = Arc::new((worker.to_owned(), fail.clone()));
        self.change(move |change| {
            let call = call.clone();
            Box::pin(async move { change.fail(&call.0, &call.1).await })
        })
        .await
    }
}

impl Change {
    async fn fail(&mut self, worker: &str, fail: &Fail) -> Result<(), QueueError> {
        let (job, task) = (fail.held.job, fail.held.task);
        let fence = Fence { worker: worker.to_owned(), attempt: fail.held.attempt };
        let detail = row::kept(&fail.detail);
        match fail.verdict {
            Verdict::InputLost { digest } => return self.input_lost(job, task, fence, digest, detail).await,
            Verdict::BadProof => {
                self.step(job, task, Event::Failed { fence, verdict: fail.verdict, detail }).await?;
                self.strike(worker).await
            }
            verdict => self.step(job, task, Event::Failed { fence, verdict, detail }).await.map(drop),
        }
    }

    async fn input_lost(
        &mut self,
        job: JobId,
        id: TaskId,
        fence: Fence,
        digest: Digest,
        detail: String,
    ) -> Result<(), QueueError> {
        let task = self.load(job, id).await?;
        // Whoever is late changes nothing around the task either.
        task.step(Event::Beat(fence.clone()), self.now_ms)?;
        let is_made_again = if task.waiting_on > 0 {
            // A child makes its result again already.
            true
        } else {
            let makers = self.makers(job, id, digest).await?;
            for maker in &makers {
                self.make_again(job, *maker).await?;
            }
            !makers.is_empty()
        };
        let event = if is_made_again {
            Event::InputLost { fence, detail }
        } else {
            Event::Failed { fence, verdict: Verdict::InputLost { digest }, detail }
        };
        match self.step(job, id, event).await {
            // The maker had lost its result too often, so the job has ended.
            Err(QueueError::Refused(_)) if is_made_again => Ok(()),
            stepped => stepped.map(drop),
        }
    }

    /// The tasks that make an input: children, or the execution, which makes all artifacts that a task names itself. None if
    /// it is no input of the task, or nobody in the job makes it.
    async fn makers(&mut self, job: JobId, id: TaskId, digest: Digest) -> Result<Vec<TaskId>, QueueError> {
        let query = sqlx::query_scalar("SELECT inputs FROM tasks WHERE job = $1 AND id = $2");
        let query = query.bind(job.to_string()).bind(row::key(id));
        let inputs = row::inputs(query.fetch_one(&mut *self.transaction).await?)?;
        if id.0 != Position::Execute && inputs.contains(&Input::Artifact { digest }) {
            return Ok(vec![TaskId(Position::Execute)]);
        }
        let query = "SELECT DISTINCT edges.child AS id FROM edges JOIN tasks ON tasks.job = edges.job AND tasks.id = edges.child \
                     WHERE edges.job = $1 AND edges.parent = $2 AND tasks.output = $3 ORDER BY id";
        let query = sqlx::query(query).bind(job.to_string()).bind(row::key(id)).bind(digest.to_string());
        let rows = query.fetch_all(&mut *self.transaction).await?;
        let makers = rows.iter().map(|row| row::task_id(row.try_get("id")?)).collect::<Result<Vec<_>, QueueError>>()?;
        debug_assert!(makers.iter().all(|maker| results(&inputs).any(|child| child == *maker)), "edges are inputs");
        Ok(makers)
    }

    /// A task whose result is lost makes it again, unless it does so already.
    async fn make_again(&mut self, job: JobId, maker: TaskId) -> Result<(), QueueError> {
        if self.load(job, maker).await?.state == TaskState::Done {
            self.step(job, maker, Event::ResultLost).await?;
        }
        Ok(())
    }
}
