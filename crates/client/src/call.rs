//! One call: a request goes out, bounded bytes come back, refusals become errors.

use std::{fmt, io::Read, sync::Arc, time::Duration};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use phalanx_api::{ErrorBody, PREFIX};
use serde::{Serialize, de::DeserializeOwned};
use ureq::{
    Agent, Body,
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
};

use crate::{ClientConfig, ClientError};

/// The longest answer in JSON.
const JSON_BYTES_MAX: u64 = 32 << 20;
/// The longest refusal that is read.
const REFUSAL_BYTES_MAX: u64 = 64 << 10;
/// Bodies from here on wait for the gateway's consent, so that a refusal comes before they are sent.
const CONSENT_BYTES_MIN: usize = 1 << 20;

/// Speaks with one gateway. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    agent: Agent,
    server: String,
    authorization: Option<HeaderValue>,
    silence_max: Duration,
}

/// What a request carries.
pub(crate) enum Payload<'a> {
    Nothing,
    Json(Vec<u8>),
    Bytes(&'a [u8]),
}

/// All but what RFC 3986 calls unreserved (section 2.3): servers need not see through an escape that nobody needs.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request in the making.
pub(crate) struct Call<'a> {
    client: &'a Client,
    method: Method,
    url: String,
    /// Whether the gateway is asked, which may see the token.
    is_ours: bool,
    headers: Vec<(&'static str, String)>,
    has_query: bool,
    /// How much longer than usual the server may say nothing.
    wait: Duration,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.shared.server).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of this gateway. Nothing is asked yet.
    pub fn new(config: &ClientConfig) -> Result<Self, ClientError> {
        let shared = Shared {
            server: config.base()?,
            authorization: config.authorization()?,
            agent: config.agent()?,
            silence_max: config.silence_max,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The gateway's URL.
    pub fn server(&self) -> &str {
        &self.shared.server
    }

    /// A call of `/v1` and these segments, which may be any text.
    pub(crate) fn call(&self, method: Method, segments: &[&dyn fmt::Display]) -> Call<'_> {
        let mut url = format!("{}{PREFIX}", self.shared.server);
        for segment in segments {
            url.push('/');
            url.extend(utf8_percent_encode(&segment.to_string(), ESCAPED));
        }
        Call { client: self, method, url, is_ours: true, headers: vec![], has_query: false, wait: Duration::ZERO }
    }

    /// A call of a URL that speaks for itself: without the token.
    pub(crate) fn foreign(&self, method: Method, url: &str) -> Call<'_> {
        Call {
            client: self,
            method,
            url: url.to_owned(),
            is_ours: false,
            headers: vec![],
            has_query: false,
            wait: Duration::ZERO,
        }
    }

    pub(crate) fn get(&self, segments: &[&dyn fmt::Display]) -> Call<'_> {
        self.call(Method::GET, segments)
    }

    pub(crate) fn post(&self, segments: &[&dyn fmt::Display]) -> Call<'_> {
        self.call(Method::POST, segments)
    }
}

impl Call<'_> {
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.url.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.url.push_str(name);
        self.url.push('=');
        self.url.extend(utf8_percent_encode(&value.to_string(), ESCAPED));
        self
    }

    pub fn query_some(self, name: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    /// The answer may come so much later.
    pub const fn waiting(mut self, wait_ms: u64) -> Self {
        self.wait = Duration::from_millis(wait_ms);
        self
    }

    /// Sends nothing, reads JSON.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        self.answer(&Payload::Nothing)?.json()
    }

    /// Sends JSON, reads JSON.
    pub fn exchange<T: DeserializeOwned>(self, body: &impl Serialize) -> Result<T, ClientError> {
        self.answer(&json(body)?)?.json()
    }

    /// Sends JSON, reads JSON or, with 204, nothing.
    pub fn exchange_some<T: DeserializeOwned>(self, body: &impl Serialize) -> Result<Option<T>, ClientError> {
        let answer = self.answer(&json(body)?)?;
        if answer.status() == StatusCode::NO_CONTENT { Ok(None) } else { answer.json().map(Some) }
    }

    /// Sends JSON; what is answered does not matter.
    pub fn tell(self, body: &impl Serialize) -> Result<(), ClientError> {
        self.answer(&json(body)?).map(drop)
    }

    /// Sends bytes.
    pub fn send(self, bytes: &[u8]) -> Result<Answer, ClientError> {
        self.answer(&Payload::Bytes(bytes))
    }

    /// Sends what there is to send. An answer that is not 2xx is an error.
    pub fn answer(self, payload: &Payload<'_>) -> Result<Answer, ClientError> {
        let Self { client, method, url, is_ours, headers, wait, .. } = self;
        let Shared { agent, server, authorization, silence_max } = &*client.shared;
        // A signed URL is a secret; its host is not.
        let server = if is_ours { server.clone() } else { host(&url) };
        let mut request = Request::builder().method(method).uri(url);
        if let Some(authorization) = authorization.as_ref().filter(|_| is_ours) {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let silence_max = Some(*silence_max + wait);
        let malformed = |_| ClientError::Unusable { reason: "the request cannot be put into HTTP".to_owned() };
        let sent = match payload {
            Payload::Nothing => {
                let request = request.body(()).map_err(malformed)?;
                agent.run(agent.configure_request(request).timeout_per_read(silence_max).build())
            }
            Payload::Json(body) => {
                let request = request.header(header::CONTENT_TYPE, "application/json");
                let request = request.body(body.as_slice()).map_err(malformed)?;
                agent.run(agent.configure_request(request).timeout_per_read(silence_max).build())
            }
            Payload::Bytes(body) => {
                let mut request = request.header(header::CONTENT_TYPE, "application/octet-stream");
                if is_ours && body.len() >= CONSENT_BYTES_MIN {
                    request = request.header(header::EXPECT, "100-continue");
                }
                let request = request.body(*body).map_err(malformed)?;
                agent.run(agent.configure_request(request).timeout_per_read(silence_max).build())
            }
        };
        let response = sent.map_err(|error| failed(&server, error))?;
        let answer = Answer { server, response };
        if answer.status().is_success() { Ok(answer) } else { Err(answer.refusal()) }
    }
}

/// What came back, up to its body.
pub(crate) struct Answer {
    server: String,
    response: Response<Body>,
}

impl Answer {
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub fn json<T: DeserializeOwned>(self) -> Result<T, ClientError> {
        let (server, status) = (self.server.clone(), self.status().as_u16());
        let bytes = self.bytes(JSON_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::Unreadable {
            server,
            status,
            reason: error.to_string(),
        })
    }

    /// The whole body, if it is not longer than this.
    pub fn bytes(mut self, bytes_max: u64) -> Result<Vec<u8>, ClientError> {
        let too_long = |server: &str, status| ClientError::Unreadable {
            server: server.to_owned(),
            status,
            reason: format!("it has more than {bytes_max} bytes"),
        };
        let status = self.status().as_u16();
        let announced = self.response.body().content_length();
        if announced.is_some_and(|bytes| bytes > bytes_max) {
            return Err(too_long(&self.server, status));
        }
        // What is announced is only a hint, but a bounded one.
        let mut bytes = Vec::new();
        let room = usize::try_from(announced.unwrap_or(0)).unwrap_or(0);
        bytes.try_reserve_exact(room).map_err(|error| ClientError::Unusable { reason: error.to_string() })?;
        let reader = self.response.body_mut().with_config().limit(u64::MAX).reader();
        reader.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| ClientError::Unreachable {
            server: self.server.clone(),
            reason: format!("the answer was cut: {error}"),
        })?;
        if bytes.len() as u64 > bytes_max { Err(too_long(&self.server, status)) } else { Ok(bytes) }
    }

    /// The body as it comes.
    pub fn stream(self) -> (String, impl Read + Send + use<>) {
        (self.server, self.response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    fn refusal(self) -> ClientError {
        let (server, status) = (self.server.clone(), self.status().as_u16());
        let retry_after_ms = retry_after_ms(self.response.headers().get(header::RETRY_AFTER));
        let unreadable = |reason: String| ClientError::Unreadable { server, status, reason };
        match self.bytes(REFUSAL_BYTES_MAX) {
            Ok(bytes) => match serde_json::from_slice::<ErrorBody>(&bytes) {
                Ok(body) => ClientError::Refused { status, body, retry_after_ms },
                Err(_) => unreadable("it is no error of the API".to_owned()),
            },
            Err(error) => unreadable(error.to_string()),
        }
    }
}

fn json(body: &impl Serialize) -> Result<Payload<'static>, ClientError> {
    serde_json::to_vec(body).map(Payload::Json).map_err(|error| ClientError::Unusable { reason: error.to_string() })
}

/// Seconds only: nobody here sends dates.
fn retry_after_ms(value: Option<&HeaderValue>) -> Option<u64> {
    value?.to_str().ok()?.trim().parse::<u64>().ok()?.checked_mul(1000)
}

fn host(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.split(['/', '?', '#']).next().unwrap_or_default().to_owned()
}

/// Nothing came. The texts hold no URL, because a URL can be a secret.
fn failed(server: &str, error: ureq::Error) -> ClientError {
    let server = server.to_owned();
    let unreachable = |reason: String| ClientError::Unreachable { server: server.clone(), reason };
    match error {
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            ClientError::Insecure { server, reason: error.to_string() }
        }
        ureq::Error::Io(error) => unreachable(plain(&error)),
        ureq::Error::Timeout(_) => unreachable("it took too long".to_owned()),
        ureq::Error::HostNotFound => unreachable("there is no such host".to_owned()),
        ureq::Error::ConnectionFailed => unreachable("no connection could be made".to_owned()),
        ureq::Error::Rustls(error) => ClientError::Insecure { server, reason: error.to_string() },
        ureq::Error::Tls(reason) => ClientError::Insecure { server, reason: reason.to_owned() },
        ureq::Error::Protocol(error) => {
            ClientError::Unreadable { server, status: 0, reason: format!("no HTTP: {error}") }
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            ClientError::Unusable { reason: format!("no request can be made to {server}") }
        }
        ureq::Error::InvalidProxyUrl => {
            ClientError::Unusable { reason: "the proxy named in the environment is no URL".to_owned() }
        }
        other => unreachable(other.to_string()),
    }
}

/// What the system said, without the number that Rust appends.
fn plain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => error.to_string().replace(&format!(" (os error {number})"), "").to_lowercase(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use phalanx_api::ErrorCode;

    use super::*;
    use crate::testing::Server;

    #[test]
    fn a_refusal_is_what_its_body_says() {
        let body = r#"{"code":"too_many","message":"too many requests","hint":"wait"}"#;
        let server = Server::answering(&[("429 Too Many Requests", "Retry-After: 7", body)]);
        let error = server.client(Some("phx_secret")).queue().unwrap_err();
        assert_eq!((error.code(), error.hint()), (Some(ErrorCode::TooMany), Some("wait")));
        assert_eq!((error.may_retry(), error.retry_after_ms()), (true, Some(7_000)));
        assert_eq!(error.to_string(), "too many requests");
        let requests = server.requests();
        assert!(requests[0].starts_with("GET /v1/queue HTTP/1.1\r\n"), "{requests:?}");
        assert!(requests[0].to_ascii_lowercase().contains("authorization: bearer phx_secret\r\n"), "{requests:?}");
    }

    #[test]
    fn what_no_gateway_says_is_unreadable_and_retried_only_if_the_server_is_at_fault() {
        for (status, may_retry) in [("502 Bad Gateway", true), ("404 Not Found", false), ("302 Found", false)] {
            let server = Server::answering(&[(status, "Location: http://127.0.0.1:9/", "<html>")]);
            let error = server.client(None).queue().unwrap_err();
            assert!(matches!(error, ClientError::Unreadable { .. }), "{error:?}");
            assert_eq!(error.may_retry(), may_retry, "{status}");
        }
        let server = Server::answering(&[("200 OK", "X: y", "{\"ready\": -1}")]);
        assert!(matches!(server.client(None).queue(), Err(ClientError::Unreadable { status: 200, .. })));
    }

    #[test]
    fn a_cut_answer_and_a_dead_server_are_worth_another_try() {
        let server = Server::answering(&[("200 OK", "Content-Length: 1000", "{")]);
        let error = server.client(None).queue().unwrap_err();
        assert!(error.may_retry(), "{error:?}");
        let nobody = Client::new(&ClientConfig::new("http://127.0.0.1:9")).unwrap();
        let error = nobody.queue().unwrap_err();
        assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
        assert_eq!(error.to_string(), "http://127.0.0.1:9 does not answer: connection refused");
    }

    #[test]
    fn an_answer_that_is_too_long_is_not_read() {
        let server = Server::answering(&[("200 OK", "Content-Length: 99999999999", "{}")]);
        let error = server.client(None).queue().unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }

    #[test]
    fn a_signed_url_sees_no_token_and_appears_in_no_error() {
        let server = Server::answering(&[("403 Forbidden", "X: y", "<Error/>")]);
        let client = server.client(Some("phx_secret"));
        let error = client.get_url(&format!("{}/bucket/a?signature=hidden", client.server())).unwrap_err();
        assert!(!error.to_string().contains("hidden") && !error.to_string().contains("bucket"), "{error}");
        assert!(!server.requests()[0].contains("phx_secret"));
    }

    #[test]
    fn names_stay_one_segment_of_the_path() {
        let server = Server::answering(&[("200 OK", "X: y", "{}")]);
        server.client(None).drain("../a b/c?d").unwrap();
        let request = &server.requests()[0];
        assert!(request.starts_with("POST /v1/workers/..%2Fa%20b%2Fc%3Fd/drain HTTP/1.1\r\n"), "{request}");
    }
}
