//! Who asks: bearer tokens, their scopes and tenants.
//!
//! In: the `Authorization` header. Out: a [`Caller`], or a refusal. The database knows only the hash of a token; an answer of
//! the database counts for a few seconds, so a revoked token dies within them.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use phalanx_api::{ErrorCode, Scope, TokenView};
use rand::{TryRngCore, rngs::OsRng};

use crate::{
    failure::{Answer, Refused},
    state::{Shared, State},
};

/// What a secret begins with, so that scanners of leaked secrets find it.
const PREFIX: &str = "phx_";
/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;
/// How long the database's word on a token counts.
const KNOWN_FOR: Duration = Duration::from_secs(5);
/// Tokens that are remembered.
const KNOWN_MAX: usize = 10_000;
/// The tenant of a gateway without tokens.
pub const OPEN_TENANT: &str = "default";

/// Whether tokens are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Everybody may do everything, as the tenant `default`. Only on loopback addresses.
    Open,
    /// Every request shows a token.
    Tokens,
}

/// Makes a token's secret.
///
/// # Errors
/// When the system gives no randomness.
pub fn new_secret() -> Result<String, std::io::Error> {
    let mut bytes = [0; SECRET_BYTES];
    OsRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
    Ok(format!("{PREFIX}{}", hex::encode(bytes)))
}

/// What the database knows of a secret. The secret is random, so a plain hash cannot be reversed by guessing.
pub fn secret_hash(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// Who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Caller {
    /// The token's id; none on an open gateway.
    pub token: Option<String>,
    pub scope: Scope,
    pub tenant: String,
}

impl Caller {
    /// The tenant whose jobs the caller sees; none sees all.
    pub fn sees(&self) -> Option<&str> {
        (self.scope != Scope::Admin).then_some(self.tenant.as_str())
    }

    /// Refuses if the job is another tenant's, in the words for one that is not there.
    pub fn may_see(&self, tenant: &str, job: impl ToString) -> Answer<()> {
        match self.sees() {
            Some(own) if own != tenant => Err(Refused::not_found(format!("there is no job {}", job.to_string()))),
            _ => Ok(()),
        }
    }
}

/// A caller with any token.
pub(crate) struct Anyone(pub Caller);

/// A caller who may submit jobs, and see those of a tenant.
pub(crate) struct Client(pub Caller);

/// A caller who may take tasks and see how the fleet works.
pub(crate) struct Worker;

/// A caller who may do everything.
pub(crate) struct Admin;

async fn caller_in(parts: &mut Parts, shared: &Shared, scopes: &[Scope]) -> Answer<Caller> {
    let caller = shared.caller(parts).await?;
    if caller.scope == Scope::Admin || scopes.contains(&caller.scope) {
        return Ok(caller);
    }
    let needed: Vec<&str> = scopes.iter().chain(&[Scope::Admin]).map(|scope| scope.name()).collect();
    let message = format!("a token of scope {} may not do this", caller.scope);
    Err(Refused::new(ErrorCode::Forbidden, message).hint(format!("it needs scope {}", needed.join(" or "))))
}

impl FromRequestParts<Shared> for Anyone {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Answer<Self> {
        shared.caller(parts).await.map(Self)
    }
}

impl FromRequestParts<Shared> for Client {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Answer<Self> {
        caller_in(parts, shared, &[Scope::Client]).await.map(Self)
    }
}

impl FromRequestParts<Shared> for Worker {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Answer<Self> {
        caller_in(parts, shared, &[Scope::Worker]).await.map(|_| Self)
    }
}

impl FromRequestParts<Shared> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Answer<Self> {
        caller_in(parts, shared, &[]).await.map(|_| Self)
    }
}

/// The address of the client's end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub SocketAddr);

impl State {
    async fn caller(&self, parts: &Parts) -> Answer<Caller> {
        if self.auth == Auth::Open {
            return Ok(Caller { token: None, scope: Scope::Admin, tenant: OPEN_TENANT.to_owned() });
        }
        let secret = bearer(parts)?;
        let hash = secret_hash(secret);
        let token = match self.tokens.known(&hash, Instant::now()) {
            Some(token) => token,
            None => {
                let nobody = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
                self.rates.take_unknown(parts.extensions.get::<Peer>().map_or(nobody, |peer| peer.0.ip()))?;
                let found = self.queue.find_token(&hash).await?.ok_or_else(|| {
                    Refused::new(ErrorCode::Unauthenticated, "the token is not known, has expired or was revoked")
                })?;
                self.tokens.remember(hash, found.clone(), Instant::now());
                found
            }
        };
        self.rates.take(&token.id)?;
        Ok(Caller { token: Some(token.id), scope: token.scope, tenant: token.tenant })
    }
}

fn bearer(parts: &Parts) -> Answer<&str> {
    let missing = |message: &str| {
        let hint = "send `Authorization: Bearer phx_…`; `phalanx token create` makes tokens";
        Refused::new(ErrorCode::Unauthenticated, message).hint(hint)
    };
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or_else(|| missing("there is no token"))?;
    if values.next().is_some() {
        return Err(missing("there are several Authorization headers"));
    }
    let text = value.to_str().map_err(|_| missing("the Authorization header is not text"))?;
    let (scheme, secret) = text.split_once(' ').ok_or_else(|| missing("the Authorization header has no token"))?;
    let digits = secret.trim().strip_prefix(PREFIX).unwrap_or_default();
    let is_secret = digits.len() == 2 * SECRET_BYTES && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !scheme.eq_ignore_ascii_case("bearer") || !is_secret {
        return Err(missing("the Authorization header holds no token of this service"));
    }
    Ok(secret.trim())
}

/// Tokens that the database vouched for a moment ago, by their hash.
pub(crate) struct Tokens {
    known: Mutex<HashMap<String, (TokenView, Instant)>>,
}

impl Tokens {
    pub fn new() -> Self {
        Self { known: Mutex::new(HashMap::new()) }
    }

    fn known(&self, hash: &str, now: Instant) -> Option<TokenView> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, at) = known.get(hash)?;
        (now.saturating_duration_since(*at) < KNOWN_FOR).then(|| token.clone())
    }

    fn remember(&self, hash: String, token: TokenView, now: Instant) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.retain(|_, (_, at)| now.saturating_duration_since(*at) < KNOWN_FOR);
        }
        if known.len() < KNOWN_MAX {
            known.insert(hash, (token, now));
        }
    }

    /// Forgets a token that was revoked here.
    pub fn forget(&self, id: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (token, _)| token.id != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_only_their_hash_is_kept() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), PREFIX.len() + 64);
        assert!(!secret_hash(&one).contains(&one[PREFIX.len()..]));
        // BLAKE3 of the empty text, from its test vectors.
        assert_eq!(secret_hash(""), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
    }
}
