//! The two databases and what they do not share: how a transaction begins, how rows are locked, what time it is.
//!
//! Everything else is one text for both: only TEXT and BIGINT, placeholders `$1`, partial indices, `ON CONFLICT`, `UPDATE … FROM`
//! and `RETURNING`.

use std::{pin::Pin, sync::Arc, time::Duration};

use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, Executor, Transaction,
    any::{AnyPoolOptions, install_default_drivers},
};

use crate::{QueueError, wake::Wakes};

/// How long to wait for a connection of the pool, or for SQLite's writer.
const WAIT: Duration = Duration::from_secs(10);
/// Connections to PostgreSQL; one gateway serves many workers with them, since no call holds one for long.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// Readers of SQLite beside its one writer.
const SQLITE_READERS_MAX: u32 = 4;
/// A connection that rested for so long is tried before it is used.
const IDLE_MAX: Duration = Duration::from_secs(1);
/// A transaction that lost against another, or its connection, is tried so often: often enough to come past every connection
/// that a restart of the server broke.
const TRIES_MAX: u32 = POSTGRES_CONNECTIONS_MAX + 8;

/// Settings of connections for claims and beats, beside those of all: see [`Database::loose`]. The best task is the first of an
/// index, and what is changed is found by its key, but the planner, which cannot know how few there are, would rather sort all
/// that is ready and read whole tables.
const LOOSE: &str = "SET synchronous_commit = off; SET enable_sort = off; SET enable_hashjoin = off; \
                     SET enable_mergejoin = off;";

/// Which database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// One file, one writer at a time.
    Sqlite,
    /// A server; rows are locked one by one.
    Postgres,
}

impl Dialect {
    fn of(url: &str) -> Self {
        if url.starts_with("sqlite:") { Self::Sqlite } else { Self::Postgres }
    }

    /// Begins a transaction that will write.
    pub const fn begin(self) -> &'static str {
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

    /// After a query: its rows stay as they are, though others may read them so, too.
    pub const fn for_share(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR SHARE",
        }
    }

    /// The same, but rows that somebody else is changing are left out.
    pub const fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// Milliseconds since 1970 by the database's clock, as an SQL expression. It stands still within a statement.
    const fn now(self) -> &'static str {
        match self {
            Self::Sqlite => "CAST(unixepoch('subsec') * 1000 AS BIGINT)",
            Self::Postgres => "CAST(extract(epoch FROM statement_timestamp()) * 1000 AS BIGINT)",
        }
    }
}

/// A database with the queue's tables.
#[derive(Clone, Debug)]
pub struct Database {
    dialect: Dialect,
    writes: AnyPool,
    /// See [`Database::loose`].
    loose: AnyPool,
    reads: AnyPool,
    /// See [`Dialect::now`].
    now: Arc<str>,
    wakes: Arc<Wakes>,
}

impl Database {
    /// Connects and brings the schema up to date. `url` is `sqlite:path` or `postgres://…`; an SQLite file is made if it is
    /// not there.
    pub async fn open(url: &str) -> Result<Self, QueueError> {
        let database = Self::connect(url).await?;
        sqlx::migrate!().run(&database.writes).await?;
        if database.dialect == Dialect::Postgres {
            database.wakes.across(url);
        }
        Ok(database)
    }

    async fn connect(url: &str) -> Result<Self, QueueError> {
        install_default_drivers();
        let dialect = Dialect::of(url);
        let (writes, loose, reads) = match dialect {
            Dialect::Sqlite => {
                let (writes, reads) = Self::sqlite(url).await?;
                (writes.clone(), writes, reads)
            }
            Dialect::Postgres => {
                let pool = Self::postgres(url, "").await?;
                (pool.clone(), Self::postgres(url, LOOSE).await?, pool)
            }
        };
        Ok(Self { dialect, writes, loose, reads, now: dialect.now().into(), wakes: Arc::default() })
    }

    async fn sqlite(url: &str) -> Result<(AnyPool, AnyPool), QueueError> {
        let url = format!("{url}{}mode=rwc", if url.contains('?') { '&' } else { '?' });
        let options = || {
            AnyPoolOptions::new().acquire_timeout(WAIT).test_before_acquire(false).after_connect(|connection, _| {
                Box::pin(async move {
                    // NORMAL loses nothing when the process dies; a machine that loses power may lose the last moments,
                    // and then the tasks of these moments run again.
                    // A checkpoint waits for the disk, so it comes every 32 MB of the log, in which the same pages come again.
                    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; \
                                    PRAGMA busy_timeout = 10000; PRAGMA wal_autocheckpoint = 8000; \
                                    PRAGMA cache_size = -8000;";
                    connection.execute(settings).await.map(drop)
                })
            })
        };
        // The writer stays, and so do its settings.
        let writes = options().max_connections(1).idle_timeout(None).max_lifetime(None).connect(&url).await?;
        let reads = options().max_connections(SQLITE_READERS_MAX).connect(&url).await?;
        Ok((writes, reads))
    }

    /// `settings` come on top of those that all connections have.
    async fn postgres(url: &str, settings: &'static str) -> Result<AnyPool, QueueError> {
        let options = AnyPoolOptions::new().acquire_timeout(WAIT).max_connections(POSTGRES_CONNECTIONS_MAX);
        // A test before each use would double the way to the server. Calls survive the loss of a connection anyway.
        let options = options.test_before_acquire(false).before_acquire(|connection, rest| {
            Box::pin(async move { Ok(rest.idle_for < IDLE_MAX || connection.ping().await.is_ok()) })
        });
        let options = options.after_connect(move |connection, _| {
            Box::pin(async move {
                // Every query here follows an index. Without statistics of what came a moment ago the planner would rather
                // read whole tables, and plan that anew each time. Its estimates of a plan that has no choice are so high
                // that it would compile it, too.
                const ALL: &str = "SET enable_bitmapscan = off; SET enable_seqscan = off; \
                                   SET plan_cache_mode = force_generic_plan; SET jit = off;";
                connection.execute(AssertSqlSafe(format!("{ALL} {settings}"))).await.map(drop)
            })
        });
        Ok(options.connect(url).await?)
    }

    /// The same database with another clock, for tests that move time themselves: an SQL expression.
    pub fn with_clock(self, now: &str) -> Self {
        Self { now: now.into(), ..self }
    }

    /// Until the writer meets the limit, an SQLite database grows no further than so many pages; for tests of what happens
    /// then.
    pub async fn limit_pages(&self, pages: u32) -> Result<(), QueueError> {
        let limit = format!("PRAGMA max_page_count = {pages}");
        sqlx::query(AssertSqlSafe(limit)).execute(&self.writes).await?;
        Ok(())
    }

    /// Which database.
    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// What time it is, as an SQL expression.
    pub(crate) fn now(&self) -> &str {
        &self.now
    }

    /// For queries that write nothing.
    pub(crate) fn reads(&self) -> &AnyPool {
        &self.reads
    }

    /// For single statements that write.
    pub(crate) fn writes(&self) -> &AnyPool {
        &self.writes
    }

    /// For changes that may be forgotten when the server crashes, and so do not wait for its disk: a claim, which leaves the
    /// task ready then, and a beat.
    pub(crate) fn loose(&self) -> &AnyPool {
        &self.loose
    }

    /// Who hears of changes.
    pub(crate) fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    /// A transaction that will write.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Any>, QueueError> {
        let begin = self.dialect.begin();
        match self.writes.begin_with(begin).await {
            Err(sqlx::Error::InvalidSavePointStatement) => {
                // A full disk made SQLite end a transaction by itself, and the connection believes that it goes on.
                self.writes.acquire().await?.close().await?;
                Ok(self.writes.begin_with(begin).await?)
            }
            begun => Ok(begun?),
        }
    }

    /// After a text of several statements that failed: what it began and did not commit goes, unless SQLite took it back by
    /// itself. PostgreSQL gets no such texts.
    pub(crate) async fn undo(&self, connection: &mut AnyConnection) {
        if self.dialect == Dialect::Sqlite
            && let Err(error) = sqlx::query("ROLLBACK").execute(connection).await
        {
            tracing::debug!(%error, "there was nothing to roll back");
        }
    }

    /// What time it is, within a transaction.
    pub(crate) async fn now_ms(&self, transaction: &mut Transaction<'static, Any>) -> Result<u64, QueueError> {
        let query = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {}", self.now)));
        let now_ms: i64 = query.fetch_one(&mut **transaction).await?;
        Ok(now_ms.unsigned_abs())
    }
}

/// A call under way. Boxed, because of an async closure nobody knows whether it may move between threads.
pub type Attempt<'a, R> = Pin<Box<dyn Future<Output = Result<R, QueueError>> + Send + 'a>>;

/// Runs a transaction again that lost against another, or its connection. Its effects are gone, or it finds them done.
pub async fn until_won<'a, R>(mut attempt: impl FnMut() -> Attempt<'a, R>) -> Result<R, QueueError> {
    for _ in 1..TRIES_MAX {
        match attempt().await {
            Err(QueueError::Database(error)) if is_lost(&error) => {
                tracing::debug!(%error, "a transaction was lost and runs again");
            }
            ended => return ended,
        }
    }
    attempt().await
}

/// Whether the database took back a transaction in favour of another (deadlock, serialization failure, busy), or the connection
/// is gone (the server stops, an operator ended it, the network broke).
fn is_lost(error: &sqlx::Error) -> bool {
    const CODES: [&str; 8] = ["40P01", "40001", "5", "517", "57P01", "57P02", "57P03", "25P03"];
    match error {
        sqlx::Error::Io(_) => true,
        error => {
            let code = error.as_database_error().and_then(|error| error.code());
            code.is_some_and(|code| CODES.contains(&&*code))
        }
    }
}
