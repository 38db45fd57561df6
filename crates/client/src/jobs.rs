//! Jobs: submit, look, wait, cancel, receive.

use phalanx_api::{
    AttemptView, IDEMPOTENCY_KEY, JobId, JobList, JobQuery, JobView, NewJob, Requeue, Requeued, Submitted, TaskId,
    TaskList, Verification,
};
use ureq::http::Method;

use crate::{Client, ClientError, call::Payload};

/// The longest receipt.
const RECEIPT_BYTES_MAX: u64 = 64 << 20;

impl Client {
    /// `POST /v1/jobs`. Safe to repeat with a key: the second call finds the first one's job.
    pub fn submit(&self, job: &NewJob, idempotency_key: Option<&str>) -> Result<Submitted, ClientError> {
        let call = self.post(&[&"jobs"]);
        let call = match idempotency_key {
            Some(key) => call.header(IDEMPOTENCY_KEY, key),
            None => call,
        };
        call.exchange(job)
    }

    /// `GET /v1/jobs`: one page, the newest first.
    pub fn jobs(&self, query: &JobQuery) -> Result<JobList, ClientError> {
        self.get(&[&"jobs"])
            .query_some("state", query.state.map(|state| state.name()))
            .query_some("before", query.before)
            .query_some("limit", query.limit)
            .read()
    }

    /// `GET /v1/jobs/{job}`.
    pub fn job(&self, job: JobId) -> Result<JobView, ClientError> {
        self.get(&[&"jobs", &job]).read()
    }

    /// `DELETE /v1/jobs/{job}`: ends it. Safe to repeat.
    pub fn cancel(&self, job: JobId) -> Result<JobView, ClientError> {
        self.call(Method::DELETE, &[&"jobs", &job]).read()
    }

    /// `GET /v1/jobs/{job}/wait`: the job when it is over, or as it stands after so long.
    pub fn wait(&self, job: JobId, timeout_ms: u64) -> Result<JobView, ClientError> {
        self.get(&[&"jobs", &job, &"wait"]).query("timeout_ms", timeout_ms).waiting(timeout_ms).read()
    }

    /// `GET /v1/jobs/{job}/tasks`: one page, in the order in which they run.
    pub fn tasks(&self, job: JobId, after: Option<TaskId>, limit: Option<u32>) -> Result<TaskList, ClientError> {
        self.get(&[&"jobs", &job, &"tasks"]).query_some("after", after).query_some("limit", limit).read()
    }

    /// `GET /v1/jobs/{job}/tasks/{task}/attempts`: what became of its starts.
    pub fn attempts(&self, job: JobId, task: TaskId) -> Result<Vec<AttemptView>, ClientError> {
        self.get(&[&"jobs", &job, &"tasks", &task, &"attempts"]).read()
    }

    /// `POST /v1/jobs/{job}/requeue`: failed tasks run again.
    pub fn requeue(&self, job: JobId, task: Option<TaskId>) -> Result<Requeued, ClientError> {
        self.post(&[&"jobs", &job, &"requeue"]).exchange(&Requeue { task })
    }

    /// `GET /v1/jobs/{job}/receipt`: of a done job.
    pub fn receipt(&self, job: JobId) -> Result<Vec<u8>, ClientError> {
        self.get(&[&"jobs", &job, &"receipt"]).answer(&Payload::Nothing)?.bytes(RECEIPT_BYTES_MAX)
    }

    /// `GET /v1/jobs/{job}/verification`: the receipt, verified now.
    pub fn verification(&self, job: JobId) -> Result<Verification, ClientError> {
        self.get(&[&"jobs", &job, &"verification"]).read()
    }
}

#[cfg(test)]
mod tests {
    use phalanx_api::JobState;
    use phalanx_claim::Digest;

    use super::*;
    use crate::testing::Server;

    #[test]
    fn queries_and_keys_go_where_the_gateway_looks() {
        let job = JobId::new();
        let list = r#"{"jobs":[],"next":null}"#;
        let made = format!(r#"{{"job":"{job}","state":"queued","is_known":false}}"#);
        let server = Server::answering(&[("200 OK", "X: y", list), ("201 Created", "X: y", &made)]);
        let client = server.client(None);
        let query = JobQuery { state: Some(JobState::Done), before: Some(job), limit: Some(7) };
        assert_eq!(client.jobs(&query).unwrap().next, None);
        let new = NewJob {
            program: Digest::of(b"p"),
            input: Digest::of(b"i"),
            priority: 0,
            deadline_after_ms: None,
            limits: phalanx_api::JobLimits::default(),
        };
        assert_eq!(client.submit(&new, Some("a-key")).unwrap().job, job);
        let requests = server.requests();
        let head = format!("GET /v1/jobs?state=done&before={job}&limit=7 HTTP/1.1\r\n");
        assert!(requests[0].starts_with(&head), "{}", requests[0]);
        assert!(requests[1].to_ascii_lowercase().contains("idempotency-key: a-key\r\n"), "{}", requests[1]);
    }
}
