//! Events: how a job changes, as it changes.

use std::io::{BufReader, Read};

use phalanx_api::{JobId, JobView, TaskView};

use crate::{Client, ClientError, call::Payload, sse::EventReader};

/// Something changed; this is how it stands now.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// A task of the job.
    Task(Box<TaskView>),
    /// The job.
    Job(Box<JobView>),
}

/// A stream of events. It ends when the job is over, and also when the connection does: go on with [`Events::last_id`].
pub struct Events {
    server: String,
    reader: EventReader<BufReader<Box<dyn Read + Send>>>,
    last_id: Option<String>,
    is_over: bool,
}

impl Client {
    /// `GET /v1/jobs/{job}/events`: all tasks as they stand, then changes; after `last_id` only changes since then.
    pub fn events(&self, job: JobId, last_id: Option<&str>) -> Result<Events, ClientError> {
        self.stream(&[&"jobs", &job, &"events"], last_id)
    }

    /// `GET /v1/events`: the jobs that the token may see, as they change.
    pub fn job_events(&self, last_id: Option<&str>) -> Result<Events, ClientError> {
        self.stream(&[&"events"], last_id)
    }

    fn stream(&self, segments: &[&dyn std::fmt::Display], last_id: Option<&str>) -> Result<Events, ClientError> {
        let call = self.get(segments).header("Accept", "text/event-stream");
        let call = match last_id {
            Some(id) => call.header("Last-Event-ID", id),
            None => call,
        };
        let (server, stream) = call.answer(&Payload::Nothing)?.stream();
        let last_id = last_id.map(str::to_owned);
        let stream: Box<dyn Read + Send> = Box::new(stream);
        let reader = EventReader::new(BufReader::new(stream), last_id.clone());
        Ok(Events { server, reader, last_id, is_over: false })
    }
}

impl Events {
    /// Where to go on after this stream.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn read(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            let server = || self.server.clone();
            let event = self.reader.next_event().map_err(|error| ClientError::Unreachable {
                server: server(),
                reason: format!("the event stream broke: {error}"),
            })?;
            let Some(event) = event else { return Ok(None) };
            let unreadable = |error: serde_json::Error| ClientError::Unreadable {
                server: server(),
                status: 200,
                reason: error.to_string(),
            };
            let read = match event.name.as_str() {
                "task" => Some(serde_json::from_str(&event.data).map(Event::Task).map_err(unreadable)?),
                "job" => Some(serde_json::from_str(&event.data).map(Event::Job).map_err(unreadable)?),
                // A newer gateway may say more.
                _ => None,
            };
            self.last_id = event.id;
            if read.is_some() {
                return Ok(read);
            }
        }
    }
}

impl Iterator for Events {
    type Item = Result<Event, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.read().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    const TASK: &str = r#"{"task":"prove-3","kind":"prove","state":"done","children":[],"attempt":1,"failures":0,
        "worker":"a","ram_bytes":1,"cycles":5,"output":null,"is_reused":false,"ready_ms":1,"started_ms":2,"ended_ms":3,
        "changed_ms":4,"failure":null}"#;

    #[test]
    fn events_are_read_until_the_stream_ends_and_say_where_to_go_on() {
        let task = TASK.replace('\n', "");
        let body = format!("event: task\nid: 4\ndata: {task}\n\n: keep\n\nevent: new\nid: 5\ndata: ?\n\n");
        let server = Server::answering(&[("200 OK", "Content-Type: text/event-stream", &body)]);
        let mut events = server.client(None).events(JobId::new(), Some("3")).unwrap();
        assert_eq!(events.last_id(), Some("3"));
        let Some(Ok(Event::Task(task))) = events.next() else { panic!("a task") };
        assert_eq!(task.task.to_string(), "prove-3");
        assert_eq!(events.last_id(), Some("4"));
        assert!(events.next().is_none() && events.next().is_none());
        assert_eq!(events.last_id(), Some("5"));
        assert!(server.requests()[0].to_ascii_lowercase().contains("last-event-id: 3\r\n"));
    }

    #[test]
    fn a_broken_stream_is_one_error_and_then_the_end() {
        let server = Server::answering(&[("200 OK", "Content-Length: 1000", "event: job\n")]);
        let mut events = server.client(None).events(JobId::new(), None).unwrap();
        assert!(events.next().is_some_and(|event| event.is_err_and(|error| error.may_retry())));
        assert!(events.next().is_none());
    }
}
