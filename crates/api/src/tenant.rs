//! Tenants: who shares the fleet, and how much of it each may take.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a tenant may take: `PUT /v1/tenants/{name}`. Absent: no limit.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TenantLimits {
    /// Tasks that run at once.
    pub running_max: Option<u32>,
    /// Jobs that are not over.
    pub jobs_max: Option<u32>,
}

/// A tenant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TenantView {
    /// Its name.
    pub name: String,
    /// What it may take.
    pub limits: TenantLimits,
}
