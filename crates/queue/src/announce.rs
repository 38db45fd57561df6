//! A job's graph grows while its execution runs: where segments end, and the tasks that follow from each.

use std::{collections::HashMap, sync::Arc};

use phalanx_api::{Announce, Announced, Cut, Held, Input, JobId, NewTask, Settle, TaskId, TaskSpec, TaskState, Totals};
use phalanx_plan::Position;
use sqlx::{AssertSqlSafe, Row};

use crate::{
    Queue, QueueError,
    change::Change,
    row::{self, json, number},
    task::{Event, Fence, Task},
};

/// Tasks that one call announces at most.
pub const ANNOUNCED_MAX: usize = 256;
/// Segment proofs of a job that are neither done nor over, at most, before its execution pauses.
pub const OUTSTANDING_MAX: u64 = 1024;
/// Tasks that go to the database in one statement.
const TOGETHER: usize = 32;
/// Inputs that one task may have.
const INPUTS_MAX: usize = 64;
/// So long after its job the proof of each further segment is due, in milliseconds: between jobs of equal priority the older
/// goes first, but a small one does not wait for all of a huge one.
const DUE_STEP_MS: u64 = 1_000;
/// Columns of a task that is announced, beside those that are the same for all.
const COLUMNS: usize = 13;

impl Queue {
    /// Says where segments end. Only the first answer of a job counts; gives that one.
    pub async fn settle(&self, worker: &str, settle: &Settle) -> Result<Cut, QueueError> {
        let (worker, settle) = (worker.to_owned(), *settle);
        self.change(move |change| {
            let worker = worker.clone();
            Box::pin(async move { change.settle(&worker, &settle).await })
        })
        .await
    }

    /// Adds tasks to a job, children before parents. Only its running execution may, and it lives on by it. Tasks that are
    /// there already must be the same, so an execution that runs again may announce again.
    pub async fn announce(&self, worker: &str, announce: &Announce) -> Result<Announced, QueueError> {
        let call = Arc::new((worker.to_owned(), announce.clone()));
        self.change(move |change| {
            let call = call.clone();
            Box::pin(async move { change.announce(&call.0, &call.1).await })
        })
        .await
    }
}

/// What tasks of one job share.
struct Owner {
    tenant: String,
    priority: i64,
    created_ms: u64,
    engine: String,
}

impl Change {
    async fn settle(&mut self, worker: &str, settle: &Settle) -> Result<Cut, QueueError> {
        let Held { job, task, .. } = settle.held;
        self.by_execution(worker, &settle.held).await?;
        let query = sqlx::query_scalar("SELECT spec FROM tasks WHERE job = $1 AND id = $2");
        let query = query.bind(job.to_string()).bind(row::key(task));
        let TaskSpec::Execute(mut spec) = row::spec(query.fetch_one(&mut *self.transaction).await?)? else {
            return Err(QueueError::NotExecution(task));
        };
        let cut = *spec.cut.get_or_insert(settle.cut);
        let query = sqlx::query("UPDATE tasks SET spec = $3 WHERE job = $1 AND id = $2");
        let query = query.bind(job.to_string()).bind(row::key(task)).bind(json(&TaskSpec::Execute(spec))?);
        query.execute(&mut *self.transaction).await?;
        Ok(cut)
    }

    /// Only a running execution goes on; its lease is extended.
    async fn by_execution(&mut self, worker: &str, held: &Held) -> Result<(), QueueError> {
        if held.task.0 != Position::Execute {
            return Err(QueueError::NotExecution(held.task));
        }
        let fence = Fence { worker: worker.to_owned(), attempt: held.attempt };
        self.step(held.job, held.task, Event::Beat(fence)).await.map(drop)
    }

    async fn announce(&mut self, worker: &str, announce: &Announce) -> Result<Announced, QueueError> {
        let job = announce.held.job;
        check(&announce.tasks)?;
        // A job that ends waits until these tasks are there, or they see that it has ended.
        let lock = self.database.dialect().for_share();
        self.lock_job(job, if announce.totals.is_some() { self.database.dialect().for_update() } else { lock }).await?;
        self.by_execution(worker, &announce.held).await?;
        if !announce.tasks.is_empty() {
            let owner = self.owner(job, worker).await?;
            self.add(job, &owner, &announce.tasks).await?;
        }
        if let Some(totals) = announce.totals {
            self.keep_totals(job, totals).await?;
        }
        let query = "SELECT COUNT(*) FROM tasks WHERE job = $1 AND kind = 'prove' \
                     AND state IN ('pending', 'ready', 'running')";
        let outstanding: i64 =
            sqlx::query_scalar(query).bind(job.to_string()).fetch_one(&mut *self.transaction).await?;
        Ok(Announced { outstanding: outstanding.unsigned_abs(), outstanding_max: OUTSTANDING_MAX })
    }

    /// What the tasks share; from now on only workers with this engine execute the job.
    async fn owner(&mut self, job: JobId, worker: &str) -> Result<Owner, QueueError> {
        let query = sqlx::query_scalar("SELECT engine FROM workers WHERE name = $1").bind(worker.to_owned());
        let engine: Option<String> = query.fetch_optional(&mut *self.transaction).await?;
        let engine = engine.ok_or_else(|| QueueError::NoSuchWorker(worker.to_owned()))?;
        sqlx::query("UPDATE tasks SET engine = $3 WHERE job = $1 AND id = $2 AND engine = ''")
            .bind(job.to_string())
            .bind(row::key(TaskId(Position::Execute)))
            .bind(engine.clone())
            .execute(&mut *self.transaction)
            .await?;
        let query = sqlx::query("SELECT tenant, priority, created_ms FROM jobs WHERE id = $1").bind(job.to_string());
        let found = query.fetch_one(&mut *self.transaction).await?;
        let created_ms = row::count(&found, "created_ms")?;
        Ok(Owner { tenant: found.try_get("tenant")?, priority: found.try_get("priority")?, created_ms, engine })
    }

    async fn add(&mut self, job: JobId, owner: &Owner, tasks: &[NewTask]) -> Result<(), QueueError> {
        let known = self.known(job, tasks).await?;
        let mut new: Vec<&NewTask> = Vec::new();
        for task in tasks {
            // Twice in one call is once, if it is the same.
            let first = new.iter().find(|first| first.task == task.task);
            let texts = (json(&task.spec)?, json(&task.inputs)?);
            let is_same = match (known.get(&task.task), first) {
                (Some(known), _) => *known == texts,
                (None, Some(first)) => **first == *task,
                (None, None) => {
                    new.push(task);
                    true
                }
            };
            if !is_same {
                return Err(QueueError::NotDeterministic { job, task: task.task });
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let done = self.children(job, &new).await?;
        // Short statements are known to the database the next time, and its work grows faster than their length.
        for new in new.chunks(TOGETHER) {
            self.insert(job, owner, new, &done).await?;
        }
        self.insert_edges(job, &new).await
    }

    /// Of these tasks, those that are there already.
    async fn known(&mut self, job: JobId, tasks: &[NewTask]) -> Result<HashMap<TaskId, (String, String)>, QueueError> {
        let ids: Vec<TaskId> = tasks.iter().map(|task| task.task).collect();
        let rows = self.of_job(job, &ids, "id, spec, inputs", "").await?;
        rows.iter()
            .map(|row| Ok((row::task_id(row.try_get("id")?)?, (row.try_get("spec")?, row.try_get("inputs")?))))
            .collect()
    }

    /// Locks the tasks whose results new ones take. Gives whether each is done; those that are new themselves are not.
    async fn children(&mut self, job: JobId, new: &[&NewTask]) -> Result<HashMap<TaskId, bool>, QueueError> {
        let mut done: HashMap<TaskId, bool> = HashMap::new();
        let mut ids: Vec<TaskId> = new.iter().flat_map(|task| results(&task.inputs)).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.retain(|id| new.iter().all(|task| task.task != *id));
        for row in self.of_job(job, &ids, "id, state", self.database.dialect().for_update()).await? {
            let is_done = row::task_state(row.try_get("state")?)? == TaskState::Done;
            done.insert(row::task_id(row.try_get("id")?)?, is_done);
        }
        for task in new {
            if let Some(child) = results(&task.inputs).find(|child| !done.contains_key(child)) {
                return Err(QueueError::NoSuchChild { parent: task.task, child });
            }
            done.insert(task.task, false);
        }
        Ok(done)
    }

    async fn of_job(
        &mut self,
        job: JobId,
        ids: &[TaskId],
        columns: &str,
        lock: &str,
    ) -> Result<Vec<sqlx::any::AnyRow>, QueueError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = row::placeholders(1, ids.len(), 2);
        let query = format!("SELECT {columns} FROM tasks WHERE job = $1 AND id IN {places} ORDER BY id{lock}");
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false).bind(job.to_string());
        for id in ids {
            query = query.bind(row::key(*id));
        }
        Ok(query.fetch_all(&mut *self.transaction).await?)
    }

    async fn insert(
        &mut self,
        job: JobId,
        owner: &Owner,
        tasks: &[&NewTask],
        done: &HashMap<TaskId, bool>,
    ) -> Result<(), QueueError> {
        let rows: Vec<String> = (0..tasks.len())
            .map(|row| {
                let own: Vec<String> = (0..COLUMNS).map(|column| format!("${}", 6 + row * COLUMNS + column)).collect();
                format!("($1, $2, $3, $4, $5, {}, 0, 0, 0, 0, 0)", own.join(", "))
            })
            .collect();
        let query = format!(
            "INSERT INTO tasks (job, tenant, priority, engine, changed_ms, id, kind, rank, place, due_ms, ram_bytes, spec, \
             inputs, is_last, state, waiting_on, cycles, ready_ms, attempt, failures, bad_proofs, run_after_ms, is_reused) \
             VALUES {}",
            rows.join(", "),
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .persistent(tasks.len() == TOGETHER)
            .bind(job.to_string())
            .bind(owner.tenant.clone())
            .bind(owner.priority)
            .bind(owner.engine.clone())
            .bind(number(self.now_ms));
        for task in tasks {
            let id = task.task;
            let mut children: Vec<TaskId> = results(&task.inputs).collect();
            children.sort_unstable();
            children.dedup();
            let undone = children.iter().filter(|child| done.get(child) != Some(&true)).count();
            let new = Task::new(u32::try_from(undone).unwrap_or(u32::MAX), id.0 == Position::Seal);
            let (rank, place) = row::order(id.0);
            let due_ms = match id.0 {
                Position::Prove { index } => owner.created_ms.saturating_add(DUE_STEP_MS * u64::from(index)),
                _ => owner.created_ms,
            };
            let cycles = match task.spec {
                TaskSpec::Prove { cycles } => Some(number(cycles)),
                _ => None,
            };
            query = query
                .bind(row::key(id))
                .bind(id.0.kind().name())
                .bind(rank)
                .bind(place)
                .bind(number(due_ms))
                .bind(number(task.ram_bytes))
                .bind(json(&task.spec)?)
                .bind(json(&task.inputs)?)
                .bind(i64::from(new.is_last))
                .bind(new.state.name())
                .bind(i64::from(new.waiting_on))
                .bind(cycles)
                .bind((new.state == TaskState::Ready).then(|| number(self.now_ms)));
        }
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }

    async fn insert_edges(&mut self, job: JobId, tasks: &[&NewTask]) -> Result<(), QueueError> {
        let edge = |task: &NewTask, slot: i64, input: &Input| match input {
            Input::Result { task: child } => Some((task.task, slot, *child)),
            Input::Artifact { .. } => None,
        };
        let of_task = |task: &&NewTask| -> Vec<(TaskId, i64, TaskId)> {
            (0..).zip(&task.inputs).filter_map(|(slot, input)| edge(task, slot, input)).collect()
        };
        let edges: Vec<(TaskId, i64, TaskId)> = tasks.iter().flat_map(of_task).collect();
        for edges in edges.chunks(2 * TOGETHER) {
            let places = row::placeholders(edges.len(), 4, 1);
            let query = format!("INSERT INTO edges (job, parent, slot, child) VALUES {places}");
            let mut query = sqlx::query(AssertSqlSafe(query)).persistent(edges.len() == 2 * TOGETHER);
            for (parent, slot, child) in edges {
                query = query.bind(job.to_string()).bind(row::key(*parent)).bind(*slot).bind(row::key(*child));
            }
            query.execute(&mut *self.transaction).await?;
        }
        Ok(())
    }

    async fn keep_totals(&mut self, job: JobId, totals: Totals) -> Result<(), QueueError> {
        let query = sqlx::query("UPDATE jobs SET cycles = $2, segments = $3 WHERE id = $1");
        let query = query.bind(job.to_string()).bind(number(totals.cycles)).bind(number(totals.segments));
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

/// What is refused whatever the database holds.
fn check(tasks: &[NewTask]) -> Result<(), QueueError> {
    at_most("the number of announced tasks", tasks.len(), ANNOUNCED_MAX)?;
    for task in tasks {
        at_most("the number of inputs", task.inputs.len(), INPUTS_MAX)?;
        match (task.task.0, task.spec) {
            (Position::Prove { .. }, TaskSpec::Prove { .. }) | (Position::Seal, TaskSpec::Seal) => {}
            (Position::Fold { layer, .. }, TaskSpec::Fold { layer: told }) if layer == told => {}
            (_, spec) => return Err(QueueError::WrongSpec { task: task.task, spec: spec_name(&spec) }),
        }
    }
    Ok(())
}

const fn spec_name(spec: &TaskSpec) -> &'static str {
    match spec {
        TaskSpec::Execute(_) => "execute",
        TaskSpec::Prove { .. } => "prove",
        TaskSpec::Fold { .. } => "fold",
        TaskSpec::Seal => "seal",
    }
}

/// The tasks whose results these inputs are.
pub fn results(inputs: &[Input]) -> impl Iterator<Item = TaskId> + '_ {
    inputs.iter().filter_map(|input| match input {
        Input::Result { task } => Some(*task),
        Input::Artifact { .. } => None,
    })
}

fn at_most(what: &'static str, got: usize, max: usize) -> Result<(), QueueError> {
    if got <= max { Ok(()) } else { Err(QueueError::TooLarge { what, got: got as u64, max: max as u64 }) }
}
