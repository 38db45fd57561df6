//! Where a service keeps what it has: the data directory, the database and the store, each of which can be elsewhere.

use std::path::PathBuf;

use phalanx_store::Store;

use super::job::store_failed;
use crate::{
    error::{Error, Result},
    paths,
};

/// What `serve` and `queue` share.
#[derive(clap::Args, Clone, Debug)]
pub struct PlaceArgs {
    /// The directory for database and store [default: $XDG_DATA_HOME/phalanx, else ~/.local/share/phalanx]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The database: sqlite:FILE or postgres://… [default: sqlite:queue.db in the data directory]
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,

    /// Where artifacts are kept: a directory, s3://…, gs://… or az://… [default: store in the data directory]
    #[arg(long, value_name = "PLACE")]
    store: Option<String>,
}

impl PlaceArgs {
    /// The data directory, made if it is not there and something will be in it.
    fn data(&self) -> Result<PathBuf> {
        let data = self.data.clone().map_or_else(paths::data_directory, Ok)?;
        std::fs::create_dir_all(&data).map_err(|cause| Error::unwritable("data directory", &data, &cause))?;
        Ok(data)
    }

    /// The database's URL.
    pub fn database_url(&self) -> Result<String> {
        match &self.database_url {
            Some(url) => Ok(url.clone()),
            None => Ok(format!("sqlite:{}", self.data()?.join("queue.db").display())),
        }
    }

    /// Whether the store is no directory.
    pub fn is_bucket(&self) -> bool {
        self.store.as_ref().is_some_and(|place| place.contains("://"))
    }

    /// The store, made if it is not there.
    pub fn open_store(&self) -> Result<Store> {
        let place = match &self.store {
            Some(place) => place.clone(),
            None => self.data()?.join("store").display().to_string(),
        };
        Store::open(&place).map_err(|error| store_failed(&error))
    }
}

/// A database's URL as it may be shown.
pub fn shown_url(url: &str) -> &str {
    // What stands before an `@` may be a password.
    if url.contains('@') { "…" } else { url }
}
