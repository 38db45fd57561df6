//! Requests: no body and no name in a path makes a decoder of the API panic, and what decodes survives a round trip.
#![no_main]

use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use phalanx_api::{
    Announce, Beat, Claim, Complete, Fail, JobId, JobQuery, Leave, LookUp, NewJob, NewToken, NewWorker, Place, Requeue,
    Settle, TaskId, TenantLimits,
};
use phalanx_claim::Digest;
use serde::{Serialize, de::DeserializeOwned};

fn body<T: DeserializeOwned + Serialize + PartialEq>(bytes: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&read).expect("what was read can be written");
    let again: T = serde_json::from_slice(&written).expect("what was written can be read");
    assert!(read == again, "a round trip changed {}", String::from_utf8_lossy(&written));
}

fn name<T: FromStr + ToString + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    assert!(read.to_string().parse().is_ok_and(|again: T| read == again), "a round trip changed {text}");
}

fuzz_target!(|bytes: &[u8]| {
    body::<Announce>(bytes);
    body::<Beat>(bytes);
    body::<Claim>(bytes);
    body::<Complete>(bytes);
    body::<Fail>(bytes);
    body::<JobQuery>(bytes);
    body::<Leave>(bytes);
    body::<LookUp>(bytes);
    body::<NewJob>(bytes);
    body::<NewToken>(bytes);
    body::<NewWorker>(bytes);
    body::<Place>(bytes);
    body::<Requeue>(bytes);
    body::<Settle>(bytes);
    body::<TenantLimits>(bytes);
    if let Ok(text) = str::from_utf8(bytes) {
        name::<JobId>(text);
        name::<TaskId>(text);
        name::<Digest>(text);
    }
});
