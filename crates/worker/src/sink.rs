//! Storing what a task makes on its way, in a thread beside it, so that an execution does not wait for the disk.
//!
//! In: artifacts and events, in the order in which the task makes them. Out: artifacts in the store, and each event only
//! after all artifacts that came before it, so that nobody hears of a segment that is not there.

use std::{
    io,
    panic::resume_unwind,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use phalanx_claim::Digest;
use phalanx_engine::{Artifact, ArtifactSink, Event, TaskError};

/// How many artifacts and events may wait; then the task does.
const WAITING_MAX: usize = 4;

enum Item {
    Artifact(Artifact),
    Event(Event),
}

/// What the task puts into.
pub struct Sink(SyncSender<Item>);

impl Sink {
    /// Passes an event on, after the artifacts that were put before it.
    pub fn tell(&self, event: Event) {
        // Nobody takes it when the store has failed; then the task ends at its next artifact, and its result is not used.
        let _ = self.0.send(Item::Event(event));
    }
}

impl ArtifactSink for Sink {
    fn put(&self, artifact: Artifact) -> Result<Digest, TaskError> {
        let digest = artifact.digest();
        let sent = self.0.send(Item::Artifact(artifact));
        sent.map(|()| digest).map_err(|_| TaskError::Retry("the store could not take an artifact".into()))
    }
}

/// Runs `task` and stores what it puts with `put`. Out: what the task returned, and what became of its artifacts and events:
/// only if all were taken, the result is worth anything.
///
/// # Errors
/// When there is no thread to be had; then the task did not run.
pub fn beside<T, E: Send>(
    put: impl Fn(Artifact) -> Result<(), E> + Send,
    tell: impl Fn(Event) -> Result<(), E> + Send,
    task: impl FnOnce(&Sink) -> T,
) -> io::Result<(T, Result<(), E>)> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        let writer = thread::Builder::new().name("phalanx-sink".into());
        let writer = writer.spawn_scoped(scope, move || write(&receiver, put, tell))?;
        let sink = Sink(sender);
        let result = task(&sink);
        drop(sink);
        Ok((result, writer.join().unwrap_or_else(|panic| resume_unwind(panic))))
    })
}

/// Ends with the task, or with the first artifact that cannot be stored or event that cannot be passed on.
fn write<E>(
    items: &Receiver<Item>,
    put: impl Fn(Artifact) -> Result<(), E>,
    tell: impl Fn(Event) -> Result<(), E>,
) -> Result<(), E> {
    for item in items {
        match item {
            Item::Artifact(artifact) => put(artifact)?,
            Item::Event(event) => tell(event)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Mutex};

    use phalanx_claim::ArtifactKind;
    use phalanx_store::{Store, StoreError};

    use super::*;

    fn put(store: &Store) -> impl Fn(Artifact) -> Result<(), StoreError> {
        |artifact| store.put(artifact.kind, &artifact.bytes).map(drop)
    }

    fn artifact(byte: u8) -> Artifact {
        Artifact { kind: ArtifactKind::Pages, bytes: vec![byte; 100] }
    }

    #[test]
    fn whoever_hears_of_an_artifact_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_dir(folder.path()).unwrap();
        let heard = Mutex::new(Vec::new());
        let tell = |event| {
            let Event::Cycles(count) = event else { panic!("{event:?} was never told") };
            let there = (0..count).all(|byte| store.contains(&artifact(byte as u8).digest()).unwrap());
            heard.lock().unwrap().push((count, there));
            Ok(())
        };
        let (result, stored) = beside(put(&store), tell, |sink| {
            for byte in 0..20 {
                assert_eq!(sink.put(artifact(byte)).unwrap(), artifact(byte).digest());
                sink.tell(Event::Cycles(u64::from(byte) + 1));
            }
            7
        })
        .unwrap();
        assert!(stored.is_ok());
        assert_eq!(result, 7);
        assert_eq!(heard.into_inner().unwrap(), (1..=20).map(|count| (count, true)).collect::<Vec<_>>());
    }

    #[test]
    fn an_artifact_that_cannot_be_stored_is_reported_and_ends_the_task_soon() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_dir(folder.path()).unwrap();
        // No artifact can be written where a file stands in place of their folder.
        let _ = fs::remove_dir_all(folder.path().join("artifacts"));
        fs::write(folder.path().join("artifacts"), "in the way").unwrap();
        let (put, stored) = beside(
            put(&store),
            |event| panic!("{event:?} must not be told"),
            |sink| {
                sink.put(artifact(1)).unwrap();
                sink.tell(Event::Cycles(1));
                (0..).find_map(|byte| sink.put(artifact(byte)).err())
            },
        )
        .unwrap();
        assert!(matches!(put, Some(TaskError::Retry(_))));
        assert!(matches!(stored, Err(StoreError::Write { .. } | StoreError::Read { .. })), "{stored:?}");
    }
}
