//! The schema's migrations: which the database has. They only go forward, and their texts never change once released.

use std::collections::BTreeMap;

use sqlx::{AnyConnection, Connection, Row, any::install_default_drivers};

use crate::{Database, QueueError};

/// One step of the schema.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migration {
    /// Its number.
    pub version: u64,
    /// What it does.
    pub description: String,
}

/// Which migrations a database has.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct SchemaState {
    /// It has them, as this program knows them.
    pub applied: Vec<Migration>,
    /// It lacks them.
    pub missing: Vec<Migration>,
    /// It has them, and this program does not know them: a newer one has been here.
    pub foreign: Vec<Migration>,
}

impl SchemaState {
    /// Whether this program can work with the database as it is.
    pub fn is_current(&self) -> bool {
        self.missing.is_empty() && self.foreign.is_empty()
    }
}

impl Database {
    /// Brings the schema up to date. Gives how it then is.
    pub async fn migrate(url: &str) -> Result<SchemaState, QueueError> {
        drop(Self::open(url).await?);
        Self::check(url).await
    }

    /// How the schema is; changes nothing.
    pub async fn check(url: &str) -> Result<SchemaState, QueueError> {
        install_default_drivers();
        let mut connection = AnyConnection::connect(url).await?;
        let mut found = found(&mut connection).await?;
        let mut state = SchemaState::default();
        for known in sqlx::migrate!().iter() {
            let migration =
                Migration { version: known.version.unsigned_abs(), description: known.description.to_string() };
            match found.remove(&known.version) {
                None => state.missing.push(migration),
                Some((_, checksum)) if checksum != *known.checksum => {
                    return Err(QueueError::OtherSchema { version: migration.version });
                }
                Some(_) => state.applied.push(migration),
            }
        }
        let foreign = found
            .into_iter()
            .map(|(version, (description, _))| Migration { version: version.unsigned_abs(), description });
        state.foreign.extend(foreign);
        connection.close().await?;
        Ok(state)
    }
}

/// What the database says: version to description and checksum.
async fn found(connection: &mut AnyConnection) -> Result<BTreeMap<i64, (String, Vec<u8>)>, QueueError> {
    let catalogue = match connection.backend_name() {
        "SQLite" => "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
        _ => "SELECT COUNT(*) FROM pg_catalog.pg_tables WHERE tablename = '_sqlx_migrations'",
    };
    let tables: i64 = sqlx::query_scalar(catalogue).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(BTreeMap::new());
    }
    let query = "SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version";
    let rows = sqlx::query(query).fetch_all(&mut *connection).await?;
    let read = |row: &sqlx::any::AnyRow| {
        Ok((row.try_get("version")?, (row.try_get("description")?, row.try_get("checksum")?)))
    };
    rows.iter().map(read).collect()
}
