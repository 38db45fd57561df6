//! Artifacts: through the gateway, or where it says.

use phalanx_api::{ArtifactPlace, ErrorBody, ErrorCode, Place, Stored, Transfer};
use phalanx_claim::{ArtifactKind, Digest};
use ureq::http::Method;

use crate::{Client, ClientError, call::Payload};

/// The longest artifact.
const ARTIFACT_BYTES_MAX: u64 = 1 << 30;
/// The longest artifact in its stored form: zstd and the header may add a little.
const STORED_BYTES_MAX: u64 = ARTIFACT_BYTES_MAX + (ARTIFACT_BYTES_MAX >> 7) + 4096;

impl Client {
    /// `POST /v1/programs`: an ELF.
    pub fn program(&self, elf: &[u8]) -> Result<Stored, ClientError> {
        self.post(&[&"programs"]).send(elf)?.json()
    }

    /// `POST /v1/inputs`: a guest's input, encoded.
    pub fn input(&self, stdin: &[u8]) -> Result<Stored, ClientError> {
        self.post(&[&"inputs"]).send(stdin)?.json()
    }

    /// `HEAD /v1/artifacts/{digest}`: whether it is in the store.
    pub fn has_artifact(&self, digest: &Digest) -> Result<bool, ClientError> {
        let call = self.call(Method::HEAD, &[&"artifacts", digest]);
        match call.answer(&Payload::Nothing) {
            Ok(_) => Ok(true),
            // An answer to HEAD has no body that could say so.
            Err(ClientError::Unreadable { status: 404, .. }) => Ok(false),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// `GET /v1/artifacts/{digest}?form=raw`: its bytes.
    pub fn artifact(&self, digest: &Digest) -> Result<Vec<u8>, ClientError> {
        self.get(&[&"artifacts", digest]).query("form", "raw").answer(&Payload::Nothing)?.bytes(ARTIFACT_BYTES_MAX)
    }

    /// `GET /v1/artifacts/{digest}?form=stored`: as the store keeps it. Whoever decodes it checks the digest.
    pub fn artifact_stored(&self, digest: &Digest) -> Result<Vec<u8>, ClientError> {
        self.get(&[&"artifacts", digest]).query("form", "stored").answer(&Payload::Nothing)?.bytes(STORED_BYTES_MAX)
    }

    /// `PUT /v1/artifacts/{digest}?form=stored`. Safe to repeat.
    pub fn put_artifact_stored(&self, digest: &Digest, stored: &[u8]) -> Result<(), ClientError> {
        self.call(Method::PUT, &[&"artifacts", digest]).query("form", "stored").send(stored).map(drop)
    }

    /// `PUT /v1/artifacts/{digest}?form=raw&kind=…`. Safe to repeat.
    pub fn put_artifact(&self, digest: &Digest, kind: ArtifactKind, bytes: &[u8]) -> Result<(), ClientError> {
        let call = self.call(Method::PUT, &[&"artifacts", digest]).query("form", "raw").query("kind", kind.name());
        call.send(bytes).map(drop)
    }

    /// `POST /v1/artifacts/{digest}/place`: where it can be transferred in its stored form.
    pub fn place(&self, digest: &Digest, transfer: Transfer) -> Result<ArtifactPlace, ClientError> {
        self.post(&[&"artifacts", digest, &"place"]).exchange(&Place { transfer })
    }

    /// Reads an artifact in its stored form from a URL of [`Client::place`].
    pub fn get_url(&self, url: &str) -> Result<Vec<u8>, ClientError> {
        let answer = self.foreign(Method::GET, url).answer(&Payload::Nothing).map_err(of_a_store)?;
        answer.bytes(STORED_BYTES_MAX)
    }

    /// Writes an artifact in its stored form to a URL of [`Client::place`]. Safe to repeat.
    pub fn put_url(&self, url: &str, stored: &[u8]) -> Result<(), ClientError> {
        // Azure wants to know what kind of blob it is; the others do not look.
        let call = self.foreign(Method::PUT, url).header("x-ms-blob-type", "BlockBlob");
        call.send(stored).map(drop).map_err(of_a_store)
    }
}

/// Object stores refuse in words of their own; the status says enough.
fn of_a_store(error: ClientError) -> ClientError {
    let ClientError::Unreadable { server, status, .. } = &error else { return error };
    let (code, what) = match status {
        404 => (ErrorCode::NotFound, "has no such artifact"),
        403 => (ErrorCode::Forbidden, "does not accept the signature, which may be too old"),
        429 => (ErrorCode::TooMany, "is asked too often"),
        500.. => (ErrorCode::Unavailable, "does not work"),
        _ => return error,
    };
    let body = ErrorBody { code, message: format!("the store at {server} {what} ({status})"), hint: None };
    ClientError::Refused { status: *status, body, retry_after_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[test]
    fn a_store_that_lost_an_artifact_is_told_from_one_that_is_away() {
        for (status, code) in [
            ("404 Not Found", ErrorCode::NotFound),
            ("503 Slow Down", ErrorCode::Unavailable),
            ("403 No", ErrorCode::Forbidden),
        ] {
            let server = Server::answering(&[(status, "X: y", "<Error/>")]);
            let client = server.client(None);
            let error = client.put_url(&format!("{}/a", client.server()), b"x").unwrap_err();
            assert_eq!(error.code(), Some(code), "{error:?}");
        }
    }

    #[test]
    fn an_artifact_comes_as_it_is() {
        let server = Server::answering(&[("200 OK", "X: y", "bytes")]);
        let digest = Digest::of(b"bytes");
        assert_eq!(server.client(None).artifact(&digest).unwrap(), b"bytes");
        let head = format!("GET /v1/artifacts/{digest}?form=raw HTTP/1.1\r\n");
        assert!(server.requests()[0].starts_with(&head));
    }
}
