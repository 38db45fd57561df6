//! Which gateway a command speaks with, and what its refusals mean to the user.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, Instant},
};

use phalanx_api::ErrorCode;
use phalanx_client::{Client, ClientConfig, ClientError};

use crate::error::{Error, Result};

/// The longest token file.
const TOKEN_FILE_BYTES_MAX: u64 = 4096;
/// How long a command goes on asking a gateway that is away for a moment.
const PATIENCE: Duration = Duration::from_secs(15);

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(set)")
    }
}

/// What every command that speaks with a gateway takes.
#[derive(clap::Args, Clone, Debug)]
pub struct ServerArgs {
    /// The gateway
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub server: String,

    /// The token that says who you are; a gateway that only this machine reaches may want none
    #[arg(long, value_name = "TOKEN")]
    token: Option<Secret>,

    /// The file that the token is in, so that it is in no list of processes
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Trust these certificates (PEM) instead of the public ones
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
}

impl ServerArgs {
    /// A client of the gateway. Nothing is asked yet.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::new(&self.config()?)?)
    }

    /// What a client needs to know.
    pub fn config(&self) -> Result<ClientConfig> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.reveal().to_owned()),
            (None, Some(path)) => Some(read_token(path)?),
            (None, None) => None,
        };
        Ok(ClientConfig { token, ca_cert: self.ca_cert.clone(), ..ClientConfig::new(&self.server) })
    }
}

fn read_token(path: &Path) -> Result<String> {
    let unreadable = |cause: std::io::Error| Error::unreadable("token", path, &cause);
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(text.trim().to_owned())
}

/// Asks again for a while when the gateway is there but cannot answer now. One that was never there is told at once.
pub fn patiently<T>(client: &Client, mut call: impl FnMut() -> std::result::Result<T, ClientError>) -> Result<T> {
    let answer = match call() {
        Err(error) if error.may_retry() && !matches!(error, ClientError::Unreachable { .. }) => {
            client.persistently(Instant::now() + PATIENCE, call)
        }
        answer => answer,
    };
    Ok(answer?)
}

impl From<ClientError> for Error {
    fn from(error: ClientError) -> Self {
        let what = error.to_string();
        match &error {
            ClientError::Refused { body, .. } => {
                let refused = match body.code {
                    ErrorCode::Internal | ErrorCode::Unavailable | ErrorCode::TooSlow => Self::ours(what),
                    _ => Self::input(what),
                };
                match (&body.hint, body.code) {
                    (Some(hint), _) => refused.hint(hint),
                    (None, ErrorCode::Unauthenticated) => refused.hint("give a token with --token or PHALANX_TOKEN"),
                    (None, _) => refused,
                }
            }
            ClientError::Unreachable { .. } => {
                Self::input(what).hint("is it running? `phalanx serve` starts one; --server names another")
            }
            ClientError::Insecure { .. } => Self::input(what)
                .hint("--ca-cert names the certificates to trust; http:// or https:// must fit the gateway"),
            ClientError::Unreadable { status: 500.., .. } => Self::ours(what),
            ClientError::Unreadable { .. } => Self::input(what).hint("--server must name a phalanx gateway"),
            ClientError::Unusable { .. } => Self::input(what),
        }
    }
}

#[cfg(test)]
mod tests {
    use phalanx_api::ErrorBody;

    use super::*;
    use crate::error::Class;

    #[test]
    fn a_refusal_is_the_users_turn_unless_the_gateway_is_ill() {
        let refused = |code: ErrorCode| {
            let body = ErrorBody { code, message: "no".into(), hint: None };
            Error::from(ClientError::Refused { status: code.status(), body, retry_after_ms: None })
        };
        assert_eq!(refused(ErrorCode::NotFound).class, Class::Input);
        assert_eq!(refused(ErrorCode::Unavailable).class, Class::Ours);
        assert!(refused(ErrorCode::Unauthenticated).hint.is_some_and(|hint| hint.contains("--token")));
    }

    #[test]
    fn a_token_is_not_shown() {
        let secret: Secret = "phx_abc".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "(set)");
    }
}
