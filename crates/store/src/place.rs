//! Signed places: URLs by which somebody without credentials transfers one artifact to or from the bucket itself.

use std::time::Duration;

use object_store::signer::Method;
use phalanx_claim::Digest;

use crate::{Store, layout};

/// What a signed place is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// Reading the artifact in stored form.
    Get,
    /// Writing it in stored form. What is written so has been checked by nobody.
    Put,
}

/// Where an artifact may be transferred. Whoever has the URL may do it, so it belongs into no log.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedPlace {
    /// The URL, signature included.
    pub url: String,
    /// Headers that the request has to have.
    pub headers: &'static [(&'static str, &'static str)],
}

impl std::fmt::Debug for SignedPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedPlace")
    }
}

impl Store {
    /// A URL for one transfer of one artifact, for `valid` from now; `None` where nothing signs: in directories, and with
    /// credentials that cannot. Blocks.
    ///
    /// The URL leads to the object whether or not there is one. Before a result that was written so counts,
    /// [`is_intact`](Store::is_intact) has to say so.
    pub fn place(&self, digest: &Digest, transfer: Transfer, valid: Duration) -> Option<SignedPlace> {
        let (signer, path) = self.inner.objects.signer(&layout::artifact(digest))?;
        let method = match transfer {
            Transfer::Get => Method::GET,
            Transfer::Put => Method::PUT,
        };
        let signed = self.inner.objects.wait(async move { signer.signed_url(method, &path, valid).await });
        match signed {
            Ok(url) => Some(SignedPlace { url: url.into(), headers: self.headers(transfer) }),
            Err(error) => {
                let reason = crate::error::reason(error);
                tracing::debug!(store = self.name(), "cannot sign a URL: {reason}");
                None
            }
        }
    }

    fn headers(&self, transfer: Transfer) -> &'static [(&'static str, &'static str)] {
        // Azure wants to hear which kind of object it is to make.
        if transfer == Transfer::Put && self.name().starts_with("az://") {
            &[("x-ms-blob-type", "BlockBlob")]
        } else {
            &[]
        }
    }
}
