//! Tenants: what each may have at once, and what is whose.

use phalanx_api::{TenantLimits, TenantView};
use sqlx::Row;

use crate::{Queue, QueueError};

impl Queue {
    /// Says what a tenant may take.
    pub async fn set_tenant(&self, name: &str, limits: TenantLimits) -> Result<(), QueueError> {
        let query = "INSERT INTO tenants (name, running_max, jobs_max) VALUES ($1, $2, $3) \
                     ON CONFLICT (name) DO UPDATE SET running_max = excluded.running_max, jobs_max = excluded.jobs_max";
        let query = sqlx::query(query)
            .bind(name.to_owned())
            .bind(limits.running_max.map(i64::from))
            .bind(limits.jobs_max.map(i64::from));
        query.execute(self.database.writes()).await?;
        // Its tasks may be claimable now.
        self.database.wakes().changed();
        Ok(())
    }

    /// The tenants that have limits, by name.
    pub async fn tenants(&self) -> Result<Vec<TenantView>, QueueError> {
        let query = sqlx::query("SELECT name, running_max, jobs_max FROM tenants ORDER BY name");
        let limit = |row: &sqlx::any::AnyRow, column| {
            let limit: Option<i64> = row.try_get(column)?;
            Ok::<_, sqlx::Error>(limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)))
        };
        let rows = query.fetch_all(self.database.reads()).await?;
        let view = |row: &sqlx::any::AnyRow| {
            let limits = TenantLimits { running_max: limit(row, "running_max")?, jobs_max: limit(row, "jobs_max")? };
            Ok(TenantView { name: row.try_get("name")?, limits })
        };
        rows.iter().map(view).collect()
    }
}
