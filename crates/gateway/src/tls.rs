//! TLS: certificate and key from files, with ring.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::GatewayError;

/// Where certificate and key lie, as PEM.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tls {
    /// The certificate, and behind it those that lead to the root.
    pub cert_pem: PathBuf,
    /// Its private key.
    pub key_pem: PathBuf,
}

impl Tls {
    pub(crate) fn acceptor(&self) -> Result<tokio_rustls::TlsAcceptor, GatewayError> {
        let failed = |path: &Path, reason: &dyn ToString| GatewayError::Tls {
            path: path.to_owned(),
            reason: reason.to_string(),
        };
        let chain = CertificateDer::pem_file_iter(&self.cert_pem)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(&self.cert_pem, &error))?;
        if chain.is_empty() {
            return Err(failed(&self.cert_pem, &"it holds no certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key_pem).map_err(|error| failed(&self.key_pem, &error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&self.cert_pem, &error))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| failed(&self.cert_pem, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config).into())
    }
}
