//! The worker protocol, from the worker's side.

use phalanx_api::{
    Announce, Announced, Assignment, Beat, BeatAnswer, Claim, Complete, Completed, Fail, Leave, LookUp, LookedUp,
    NewWorker, Registered, Settle, Settled,
};

use crate::{Client, ClientError};

impl Client {
    /// `POST /v1/workers`: this worker is there.
    pub fn register(&self, worker: &NewWorker) -> Result<Registered, ClientError> {
        self.post(&[&"workers"]).exchange(worker)
    }

    /// `POST /v1/workers/{name}/claim`: a task, or none within the time that `claim` gives.
    pub fn claim(&self, name: &str, claim: &Claim) -> Result<Option<Assignment>, ClientError> {
        self.post(&[&"workers", &name, &"claim"]).waiting(claim.wait_ms).exchange_some(claim)
    }

    /// `POST /v1/workers/{name}/beat`: it lives, and so do its tasks.
    pub fn beat(&self, name: &str, beat: &Beat) -> Result<BeatAnswer, ClientError> {
        self.post(&[&"workers", &name, &"beat"]).exchange(beat)
    }

    /// `POST /v1/workers/{name}/settle`: where segments end.
    pub fn settle(&self, name: &str, settle: &Settle) -> Result<Settled, ClientError> {
        self.post(&[&"workers", &name, &"settle"]).exchange(settle)
    }

    /// `POST /v1/workers/{name}/announce`: more tasks of a job.
    pub fn announce(&self, name: &str, announce: &Announce) -> Result<Announced, ClientError> {
        self.post(&[&"workers", &name, &"announce"]).exchange(announce)
    }

    /// `POST /v1/workers/{name}/complete`: a task has its result.
    pub fn complete(&self, name: &str, complete: &Complete) -> Result<Completed, ClientError> {
        self.post(&[&"workers", &name, &"complete"]).exchange(complete)
    }

    /// `POST /v1/workers/{name}/fail`: a task has none.
    pub fn fail(&self, name: &str, fail: &Fail) -> Result<(), ClientError> {
        self.post(&[&"workers", &name, &"fail"]).tell(fail)
    }

    /// `POST /v1/workers/{name}/look_up`: whether a result is recorded.
    pub fn look_up(&self, name: &str, look_up: &LookUp) -> Result<LookedUp, ClientError> {
        self.post(&[&"workers", &name, &"look_up"]).exchange(look_up)
    }

    /// `POST /v1/workers/{name}/leave`: it goes, and gives back what it holds.
    pub fn leave(&self, name: &str, boot: &str) -> Result<(), ClientError> {
        self.post(&[&"workers", &name, &"leave"]).tell(&Leave { boot: boot.to_owned() })
    }
}
