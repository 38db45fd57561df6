//! Tokens: who may do what. Only hashes of their secrets are kept.

use phalanx_api::{NewToken, Scope, TokenView};
use sqlx::{AssertSqlSafe, Row, any::AnyRow};
use uuid::Uuid;

use crate::{
    Queue, QueueError,
    row::{self, number},
};

const COLUMNS: &str = "id, scope, tenant, note, created_ms, expires_ms, revoked_ms";

impl Queue {
    /// Keeps a token whose secret has this hash.
    pub async fn create_token(&self, hash: &str, token: &NewToken) -> Result<TokenView, QueueError> {
        let now = self.database.now();
        let query = format!(
            "INSERT INTO tokens (id, hash, scope, tenant, note, created_ms, expires_ms) \
             VALUES ($1, $2, $3, $4, $5, {now}, {now} + $6) RETURNING {COLUMNS}",
        );
        let query = sqlx::query(AssertSqlSafe(query))
            .bind(Uuid::now_v7().to_string())
            .bind(hash.to_owned())
            .bind(token.scope.name())
            .bind(token.tenant.clone())
            .bind(row::kept(&token.note))
            .bind(token.expires_after_ms.map(|after_ms| number(after_ms.min(LIFE_MS_MAX))));
        view(&query.fetch_one(self.database.writes()).await?)
    }

    /// All tokens, the newest first; also those that are not valid any more.
    pub async fn tokens(&self) -> Result<Vec<TokenView>, QueueError> {
        let query = format!("SELECT {COLUMNS} FROM tokens ORDER BY id DESC");
        let rows = sqlx::query(AssertSqlSafe(query)).fetch_all(self.database.reads()).await?;
        rows.iter().map(view).collect()
    }

    /// Makes a token invalid. Says whether it was not revoked before.
    pub async fn revoke_token(&self, id: &str) -> Result<bool, QueueError> {
        let now = self.database.now();
        let query = format!("UPDATE tokens SET revoked_ms = {now} WHERE id = $1 AND revoked_ms IS NULL");
        let query = sqlx::query(AssertSqlSafe(query)).bind(id.to_owned());
        Ok(query.execute(self.database.writes()).await?.rows_affected() > 0)
    }

    /// The token whose secret has this hash, if it is valid now.
    pub async fn find_token(&self, hash: &str) -> Result<Option<TokenView>, QueueError> {
        let query = format!(
            "SELECT {COLUMNS} FROM tokens WHERE hash = $1 AND revoked_ms IS NULL \
             AND (expires_ms IS NULL OR expires_ms > {})",
            self.database.now(),
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(hash.to_owned());
        query.fetch_optional(self.database.reads()).await?.as_ref().map(view).transpose()
    }
}

/// A thousand years; keeps sums in range.
const LIFE_MS_MAX: u64 = 1000 * 366 * 24 * 3600 * 1000;

fn view(row: &AnyRow) -> Result<TokenView, QueueError> {
    let scope: String = row.try_get("scope")?;
    let scope: Scope = scope.parse().map_err(|_| QueueError::Corrupt { what: "a token's scope", value: scope })?;
    Ok(TokenView {
        id: row.try_get("id")?,
        scope,
        tenant: row.try_get("tenant")?,
        note: row.try_get("note")?,
        created_ms: row::count(row, "created_ms")?,
        expires_ms: row::maybe(row, "expires_ms")?,
        revoked_ms: row::maybe(row, "revoked_ms")?,
    })
}
