//! Where the gateway is and how to speak with it.

use std::{fmt, fs, path::PathBuf, time::Duration};

use ureq::{
    Agent,
    http::{HeaderValue, Uri, uri::Scheme},
    tls::{PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::ClientError;

/// How long a connection may take to come about.
const CONNECT_MS_MAX: u64 = 10_000;
/// How long a server may say nothing while it answers, if nobody says otherwise.
const SILENCE_MS_MAX: u64 = 30_000;
/// Connections are closed before gateways close theirs (10 s), so that no request meets a closing one.
const IDLE_MS_MAX: u64 = 5_000;
/// Connections that are kept. A worker claims, beats, uploads and completes at once.
const IDLE_MAX: usize = 16;
/// The longest file of certificates.
const CERTIFICATE_BYTES_MAX: u64 = 1 << 20;

/// What a client needs to know.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// The gateway's URL, such as `http://127.0.0.1:8080`.
    pub server: String,
    /// The token, if the gateway asks for one.
    pub token: Option<String>,
    /// Certificates in PEM that are trusted instead of the public ones.
    pub ca_cert: Option<PathBuf>,
    /// How long the server may say nothing while it is expected to speak.
    pub silence_max: Duration,
    /// Sent as `User-Agent`.
    pub user_agent: String,
}

impl ClientConfig {
    /// A client of `server` without a token.
    pub fn new(server: impl Into<String>) -> Self {
        Self {
            server: server.into(),
            token: None,
            ca_cert: None,
            silence_max: Duration::from_millis(SILENCE_MS_MAX),
            user_agent: concat!("phalanx/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The URL without a slash at its end.
    pub(crate) fn base(&self) -> Result<String, ClientError> {
        let server = self.server.trim_end_matches('/');
        // The text may hold a password, so it is not repeated.
        let refuse = |reason: &str| ClientError::Unusable { reason: format!("the server's URL {reason}") };
        let uri: Uri = server.parse().map_err(|_| refuse("is malformed"))?;
        let scheme = uri.scheme().ok_or_else(|| refuse("does not start with http:// or https://"))?;
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(refuse("does not start with http:// or https://"));
        }
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        match authority {
            None => Err(refuse("names no host")),
            Some(authority) if authority.as_str().contains('@') => {
                Err(refuse("has a user name in it; who you are is said by a token"))
            }
            Some(_) if uri.query().is_some() || server.contains('#') => Err(refuse("has more than a path")),
            Some(_) => Ok(server.to_owned()),
        }
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, ClientError> {
        let Some(token) = &self.token else { return Ok(None) };
        let refuse = || ClientError::Unusable { reason: "the token has characters that no token has".to_owned() };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refuse());
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| refuse())?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    pub(crate) fn agent(&self) -> Result<Agent, ClientError> {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(self.user_agent.as_str())
            .timeout_resolve(Some(Duration::from_millis(CONNECT_MS_MAX)))
            .timeout_connect(Some(Duration::from_millis(CONNECT_MS_MAX)))
            .timeout_per_read(Some(self.silence_max))
            .timeout_per_write(Some(self.silence_max))
            .max_idle_age(Duration::from_millis(IDLE_MS_MAX))
            .max_idle_connections(IDLE_MAX)
            .max_idle_connections_per_host(IDLE_MAX)
            .tls_config(TlsConfig::builder().root_certs(self.trusted()?).build());
        if self.is_loopback() {
            // A proxy has its own loopback.
            config = config.proxy(None);
        }
        Ok(config.build().new_agent())
    }

    /// Whether the server is this machine.
    fn is_loopback(&self) -> bool {
        let host = |uri: &Uri| uri.host().map(|host| host.trim_matches(['[', ']']).to_owned());
        let Some(host) = self.server.parse().ok().as_ref().and_then(host) else { return false };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    fn trusted(&self) -> Result<RootCerts, ClientError> {
        let Some(path) = &self.ca_cert else { return Ok(RootCerts::WebPki) };
        let refuse = |reason: String| ClientError::Unusable {
            reason: format!("cannot use the certificates in {}: {reason}", path.display()),
        };
        let bytes = fs::metadata(path).map_err(|error| refuse(error.to_string()))?.len();
        if bytes > CERTIFICATE_BYTES_MAX {
            return Err(refuse(format!("{bytes} bytes are too many, at most {CERTIFICATE_BYTES_MAX}")));
        }
        let pem = fs::read(path).map_err(|error| refuse(error.to_string()))?;
        let mut certificates = Vec::new();
        for item in parse_pem(&pem) {
            match item.map_err(|_| refuse("it is not PEM".to_owned()))? {
                PemItem::Certificate(certificate) => certificates.push(certificate),
                _ => return Err(refuse("it holds more than certificates".to_owned())),
            }
        }
        if certificates.is_empty() {
            return Err(refuse("there are none".to_owned()));
        }
        Ok(RootCerts::new_with_certs(&certificates))
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("server", &self.server)
            .field("token", &self.token.as_ref().map(|_| "(set)"))
            .field("ca_cert", &self.ca_cert)
            .field("silence_max", &self.silence_max)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_http_url_and_nothing_more() {
        let base = |server: &str| ClientConfig::new(server).base();
        assert_eq!(base("http://127.0.0.1:8080/").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(base("https://proofs.example/phalanx").unwrap(), "https://proofs.example/phalanx");
        for server in ["", "127.0.0.1:8080", "ftp://host", "http://", "http://me:secret@host", "http://host/?a=b", "/x"]
        {
            let error = base(server).unwrap_err().to_string();
            assert!(error.starts_with("the server's URL") && !error.contains("secret"), "{server:?}: {error}");
        }
    }

    #[test]
    fn a_token_that_would_break_a_header_is_refused_and_none_is_shown() {
        let with = |token: &str| ClientConfig { token: Some(token.to_owned()), ..ClientConfig::new("http://host") };
        assert!(with("phx_abc\r\nx: y").authorization().is_err());
        assert!(with("").authorization().is_err());
        let shown = format!("{:?} {:?}", with("phx_abc"), with("phx_abc").authorization());
        assert!(!shown.contains("phx_abc"), "{shown}");
    }

    #[test]
    fn loopback_goes_through_no_proxy() {
        for (server, is_loopback) in
            [("http://127.0.0.1:1", true), ("http://[::1]:1", true), ("http://localhost", true), ("http://host", false)]
        {
            assert_eq!(ClientConfig::new(server).is_loopback(), is_loopback, "{server}");
        }
    }
}
