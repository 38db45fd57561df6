//! Small questions and answers that belong to no larger subject.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Scope, TaskId, schema};

/// Asks for failed tasks to run again: `POST /v1/jobs/{job}/requeue`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Requeue {
    /// Only this one; absent: all of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Requeued {
    /// How many tasks run again.
    pub tasks: u64,
}

/// What the gateway's verifier says of a job's receipt: `GET /v1/jobs/{job}/verification`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Verification {
    /// Whether it is a proof.
    pub is_valid: bool,
    /// Why not.
    pub reason: Option<String>,
}

/// What a token lets its bearer be: `GET /v1/whoami`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct WhoAmI {
    /// What is allowed.
    pub scope: Scope,
    /// For whom.
    pub tenant: String,
}

/// A worker goes, and gives back what it holds: `POST /v1/workers/{name}/leave`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Leave {
    /// As registered.
    #[schema(value_type = schema::Name)]
    pub boot: String,
}
