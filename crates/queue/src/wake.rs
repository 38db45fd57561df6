//! Who waits for the queue hears that it changed: in this process, and over PostgreSQL in all others.
//!
//! In: that something changed. Out: a number that grows. To miss one is harmless, because whoever waits also looks every few
//! seconds; so nothing here is retried beyond connecting again.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, PgConnection,
    postgres::{PgConnectOptions, PgListener, PgNotification},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};
use uuid::Uuid;

/// Changes within this time become one message.
const GATHER: Duration = Duration::from_millis(10);
/// Wait before connecting again.
const RETRY: Duration = Duration::from_millis(500);
const CHANNEL: &str = "phalanx_queue";

/// Tells whoever waits.
#[derive(Debug)]
pub struct Wakes {
    changes: watch::Sender<u64>,
    /// Something is to be told to other processes.
    untold: Arc<Notify>,
    across: OnceLock<[JoinHandle<()>; 2]>,
}

impl Default for Wakes {
    fn default() -> Self {
        Self { changes: watch::Sender::new(0), untold: Arc::default(), across: OnceLock::new() }
    }
}

impl Wakes {
    /// Hears of every change from now on.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Something changed, and others may see it: the transaction is over.
    pub fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        if self.across.get().is_some() {
            self.untold.notify_one();
        }
    }

    /// From now on other processes on the same server hear of it, and this one of theirs.
    pub fn across(&self, url: &str) {
        self.across.get_or_init(|| {
            let me = Uuid::now_v7().to_string();
            [
                tokio::spawn(tell(url.to_owned(), me.clone(), self.untold.clone())),
                tokio::spawn(listen(url.to_owned(), me, self.changes.clone())),
            ]
        });
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.across.get().into_iter().flatten().for_each(JoinHandle::abort);
    }
}

/// On a connection of its own, outside of transactions: a NOTIFY within one would make all of them wait for each other.
async fn tell(url: String, me: String, untold: Arc<Notify>) {
    let notify = format!("SELECT pg_notify('{CHANNEL}', '{me}')");
    let mut connection: Option<PgConnection> = None;
    loop {
        untold.notified().await;
        let open = match connection.take() {
            Some(open) => Ok(open),
            None => connect(&url).await,
        };
        let told = match open {
            Ok(mut open) => match sqlx::query(AssertSqlSafe(notify.clone())).execute(&mut open).await {
                Ok(_) => {
                    connection = Some(open);
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        if let Err(error) = told {
            tracing::debug!(%error, "other processes do not hear of a change now");
            untold.notify_one();
            tokio::time::sleep(RETRY).await;
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// A message need not reach the disk.
async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    options.options([("synchronous_commit", "off")]).connect().await
}

async fn listen(url: String, me: String, changes: watch::Sender<u64>) {
    loop {
        let ended = hear(&url, &me, &changes).await;
        tracing::debug!(error = ?ended.err(), "changes in other processes are not heard now");
        tokio::time::sleep(RETRY).await;
    }
}

async fn hear(url: &str, me: &str, changes: &watch::Sender<u64>) -> Result<(), sqlx::Error> {
    let bump = || changes.send_modify(|count| *count = count.wrapping_add(1));
    let mut listener = PgListener::connect(url).await?;
    listener.listen(CHANNEL).await?;
    // What was told before is not heard any more.
    bump();
    loop {
        let heard: Option<PgNotification> = listener.try_recv().await?;
        // None: the connection was lost and is back.
        if heard.is_none_or(|heard| heard.payload() != me) {
            bump();
        }
    }
}
