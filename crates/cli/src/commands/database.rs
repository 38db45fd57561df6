//! The queue's database, for commands that open it themselves instead of asking a gateway.

use anyhow::Context;
use phalanx_queue::{Database, Queue, QueueError};
use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, Result};

/// Threads for what waits on the network or a database.
pub fn runtime() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().thread_name("phalanx").build().context("cannot start threads")?)
}

/// Asks the queue one thing.
pub fn with_queue<R, F: Future<Output = std::result::Result<R, QueueError>>>(
    url: &str,
    ask: impl FnOnce(Queue) -> F,
) -> Result<R> {
    let asked = async {
        let queue = Queue::new(Database::open(url).await?);
        ask(queue).await
    };
    Ok(runtime()?.block_on(asked)?)
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        let what = error.to_string();
        match error {
            QueueError::Schema(_) | QueueError::OtherSchema { .. } => {
                Self::input(what).hint("`phalanx queue check` shows which version of phalanx the database is of")
            }
            QueueError::Database(_) => {
                Self::input(what).hint("--database-url names the database, such as sqlite:queue.db")
            }
            QueueError::Corrupt { .. } | QueueError::Stopped => Self::ours(what),
            _ => Self::input(what),
        }
    }
}
