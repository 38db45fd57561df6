//! What operators ask for and change: queue, workers, tokens, tenants.

use phalanx_api::{
    DeadTask, NewToken, QueueView, StatsView, TenantLimits, TenantView, TokenMade, TokenView, WhoAmI, WorkerView,
};
use ureq::http::Method;

use crate::{Client, ClientError, call::Payload};

impl Client {
    /// `GET /v1/whoami`.
    pub fn whoami(&self) -> Result<WhoAmI, ClientError> {
        self.get(&[&"whoami"]).read()
    }

    /// `GET /v1/queue`: how much work there is.
    pub fn queue(&self) -> Result<QueueView, ClientError> {
        self.get(&[&"queue"]).read()
    }

    /// `GET /v1/dead`: tasks that failed for good.
    pub fn dead(&self) -> Result<Vec<DeadTask>, ClientError> {
        self.get(&[&"dead"]).read()
    }

    /// `GET /v1/stats`: times over jobs that ended in the last `window_ms`.
    pub fn stats(&self, window_ms: Option<u64>) -> Result<StatsView, ClientError> {
        self.get(&[&"stats"]).query_some("window_ms", window_ms).read()
    }

    /// `GET /v1/workers`.
    pub fn workers(&self) -> Result<Vec<WorkerView>, ClientError> {
        self.get(&[&"workers"]).read()
    }

    /// `POST /v1/workers/{name}/drain`: it finishes what it has and takes no more.
    pub fn drain(&self, name: &str) -> Result<(), ClientError> {
        self.post(&[&"workers", &name, &"drain"]).answer(&Payload::Nothing).map(drop)
    }

    /// `POST /v1/workers/{name}/resume`: it takes tasks again, and its strikes are forgotten.
    pub fn resume(&self, name: &str) -> Result<(), ClientError> {
        self.post(&[&"workers", &name, &"resume"]).answer(&Payload::Nothing).map(drop)
    }

    /// `GET /v1/tokens`.
    pub fn tokens(&self) -> Result<Vec<TokenView>, ClientError> {
        self.get(&[&"tokens"]).read()
    }

    /// `POST /v1/tokens`. Not safe to repeat: each call makes another.
    pub fn create_token(&self, token: &NewToken) -> Result<TokenMade, ClientError> {
        self.post(&[&"tokens"]).exchange(token)
    }

    /// `DELETE /v1/tokens/{id}`.
    pub fn revoke_token(&self, id: &str) -> Result<(), ClientError> {
        self.call(Method::DELETE, &[&"tokens", &id]).answer(&Payload::Nothing).map(drop)
    }

    /// `GET /v1/tenants`.
    pub fn tenants(&self) -> Result<Vec<TenantView>, ClientError> {
        self.get(&[&"tenants"]).read()
    }

    /// `PUT /v1/tenants/{name}`.
    pub fn set_tenant(&self, name: &str, limits: &TenantLimits) -> Result<(), ClientError> {
        self.call(Method::PUT, &[&"tenants", &name]).tell(limits)
    }
}
