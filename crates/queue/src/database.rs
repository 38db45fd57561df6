//! The two databases and what they do not share: how a transaction begins, how rows are locked, what time it is.
//!
//! Everything else is one text for both: only TEXT and BIGINT, placeholders `$1`, partial indices, `ON CONFLICT`.

use std::{
    pin::Pin,
    time::{Duration, SystemTime},
};

use sqlx::{
    Any, AnyPool, AssertSqlSafe, Executor, Transaction,
    any::{AnyPoolOptions, install_default_drivers},
};

use crate::QueueError;

/// How long to wait for a connection of the pool, or for SQLite's writer.
const WAIT: Duration = Duration::from_secs(10);
/// Connections to PostgreSQL; one gateway serves many workers with them, since no call holds one for long.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// Readers of SQLite beside its one writer.
const SQLITE_READERS_MAX: u32 = 4;
/// A transaction that lost against another is tried so often.
const TRIES_MAX: u32 = 8;

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// One file, one writer at a time.
    Sqlite,
    /// A server; rows are locked one by one.
    Postgres,
}

impl Dialect {
    /// Begins a transaction that will write.
    const fn begin(self) -> &'static str {
        match self {
            // Without it two readers that both want to write would lock each other out.
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }

    /// After a query: nobody else may change its rows before the transaction ends.
    pub const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }

    /// The same, but rows that somebody else is changing are left out.
    pub const fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Milliseconds since 1970 by the database's clock, as an SQL expression; none if the clock is this machine's.
    const fn now(self) -> Option<&'static str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres => Some("CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"),
        }
    }
}

/// A database with the queue's tables.
#[derive(Clone, Debug)]
pub struct Database {
    dialect: Dialect,
    writes: AnyPool,
    reads: AnyPool,
    /// See [`Dialect::now`].
    now: Option<String>,
}

impl Database {
    /// Connects and brings the schema up to date. `url` is `sqlite:path` or `postgres://…`; an SQLite file is made if it is
    /// not there.
    pub async fn open(url: &str) -> Result<Self, QueueError> {
        install_default_drivers();
        let database = if url.starts_with("sqlite:") { Self::sqlite(url).await? } else { Self::postgres(url).await? };
        sqlx::migrate!().run(&database.writes).await?;
        Ok(database)
    }

    async fn sqlite(url: &str) -> Result<Self, QueueError> {
        let url = format!("{url}{}mode=rwc", if url.contains('?') { '&' } else { '?' });
        let options = || {
            AnyPoolOptions::new().acquire_timeout(WAIT).after_connect(|connection, _| {
                Box::pin(async move {
                    // NORMAL loses nothing when the process dies; a machine that loses power may lose the last moments,
                    // and then the tasks of these moments run again.
                    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
                                    PRAGMA busy_timeout = 10000;";
                    connection.execute(settings).await.map(drop)
                })
            })
        };
        let writes = options().max_connections(1).connect(&url).await?;
        let reads = options().max_connections(SQLITE_READERS_MAX).connect(&url).await?;
        Ok(Self { dialect: Dialect::Sqlite, writes, reads, now: Dialect::Sqlite.now().map(str::to_owned) })
    }

    async fn postgres(url: &str) -> Result<Self, QueueError> {
        let options = AnyPoolOptions::new().acquire_timeout(WAIT).max_connections(POSTGRES_CONNECTIONS_MAX);
        let options = options.after_connect(|connection, _| {
            Box::pin(async move {
                // Every query here follows an index, and the best task is the first of one. Without statistics of what came
                // a moment ago the planner would rather sort all that is ready, and plan that anew each time. Its estimates
                // of a plan that has no choice are so high that it would compile it, too.
                let settings = "SET enable_sort = off; SET enable_bitmapscan = off; SET enable_seqscan = off; \
                                SET plan_cache_mode = force_generic_plan; SET jit = off;";
                connection.execute(settings).await.map(drop)
            })
        });
        let pool = options.connect(url).await?;
        Ok(Self {
            dialect: Dialect::Postgres,
            writes: pool.clone(),
            reads: pool,
            now: Dialect::Postgres.now().map(str::to_owned),
        })
    }

    /// The same database with another clock, for tests that move time themselves: an SQL expression.
    pub fn with_clock(self, now: &str) -> Self {
        Self { now: Some(now.to_owned()), ..self }
    }

    /// Which database.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// For queries that write nothing.
    pub(crate) fn reads(&self) -> &AnyPool {
        &self.reads
    }

    /// A transaction that will write, and the time at which it began.
    pub(crate) async fn begin(&self) -> Result<(Transaction<'static, Any>, u64), QueueError> {
        let mut transaction = self.writes.begin_with(self.dialect.begin()).await?;
        let now_ms = match &self.now {
            Some(now) => {
                let query = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {now}")));
                let now_ms: i64 = query.fetch_one(&mut *transaction).await?;
                now_ms.unsigned_abs()
            }
            None => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
        };
        Ok((transaction, now_ms))
    }
}

/// A transaction under way. Boxed, because of an async closure nobody knows whether it may move between threads.
type Attempt<'a, R> = Pin<Box<dyn Future<Output = Result<R, QueueError>> + Send + 'a>>;

/// Runs a transaction again that lost against another: a deadlock, or a conflict. Its effects are gone, so that is safe.
pub async fn until_won<'a, R>(mut attempt: impl FnMut() -> Attempt<'a, R>) -> Result<R, QueueError> {
    for _ in 1..TRIES_MAX {
        match attempt().await {
            Err(QueueError::Database(error)) if is_lost(&error) => {
                tracing::debug!(%error, "a transaction lost against another and runs again");
            }
            ended => return ended,
        }
    }
    attempt().await
}

/// Whether the database took back a transaction in favour of another: deadlock, serialization failure, or busy.
fn is_lost(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "40P01" | "40001" | "5" | "517"))
}
