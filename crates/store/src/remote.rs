//! Reaching a bucket: what `s3://`, `gs://` and `az://` places and the variables of the three clouds mean.
//!
//! A failing request is repeated for [`PATIENCE`]; an answer that does not go on for [`SILENCE`] has failed. TLS is by ring,
//! as everywhere here.

use std::{str::FromStr, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, ObjectStore, RetryConfig, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder,
    gcp::GoogleCloudStorageBuilder, path::Path, prefix::PrefixStore, signer::Signer, signer::Url,
};

use crate::{StoreError, error::reason};

/// How long a request is repeated before its failure is reported. `PHALANX_STORE_PATIENCE_MS` changes it.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_VARIABLE: &str = "PHALANX_STORE_PATIENCE_MS";

/// How long a server may say nothing in the middle of a request.
const SILENCE: Duration = Duration::from_secs(10);

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Objects in a bucket, and what signs URLs to them.
pub(crate) struct Remote {
    pub objects: Arc<dyn ObjectStore>,
    pub signer: Arc<dyn Signer>,
    /// What the signer's names have in front of ours.
    pub prefix: Path,
    /// The place, without secrets.
    pub name: String,
    /// How long what fails is tried again.
    pub patience: Duration,
}

type Variables = [(String, String)];

/// The bucket that `place` names; connects to nothing yet.
pub(crate) fn connect(place: &str, variables: &Variables) -> Result<Remote, StoreError> {
    let scheme = place.split_once("://").map_or(place, |(scheme, _)| scheme);
    let wrong = || StoreError::NoSuchPlace { place: format!("{}://…", crate::error::without_secrets(scheme)) };
    let url = Url::parse(place).map_err(|_| wrong())?;
    // Credentials belong into variables, not into what logs and command lines show.
    let plain = url.username().is_empty() && url.password().is_none() && url.port().is_none();
    let (Some(bucket), true, None, None) = (url.host_str(), plain, url.query(), url.fragment()) else {
        return Err(wrong());
    };
    let prefix = Path::from_url_path(url.path()).map_err(|_| wrong())?;
    let slash = if prefix.as_ref().is_empty() { "" } else { "/" };
    let name = format!("{scheme}://{bucket}{slash}{prefix}");
    let failed = |error| StoreError::Open { place: name.clone(), reason: reason(error) };
    let patience = patience(variables);
    let (retry, client) = (retry(patience), client());
    // More than one library may do this; the first decides, and all of ours choose ring.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match scheme {
        "s3" => {
            let builder = AmazonS3Builder::new().with_client_options(client).with_retry(retry);
            let builder = configured(builder, variables, "AWS_", |builder, key, value| builder.with_config(key, value));
            let store = builder.with_bucket_name(bucket).build().map_err(failed)?;
            Ok(remote(store, prefix, name, patience))
        }
        "gs" => {
            let builder = GoogleCloudStorageBuilder::new().with_client_options(client).with_retry(retry);
            let builder =
                configured(builder, variables, "GOOGLE_", |builder, key, value| builder.with_config(key, value));
            let store = builder.with_bucket_name(bucket).build().map_err(failed)?;
            Ok(remote(store, prefix, name, patience))
        }
        "az" => {
            let builder = MicrosoftAzureBuilder::new().with_client_options(client).with_retry(retry);
            let builder =
                configured(builder, variables, "AZURE_", |builder, key, value| builder.with_config(key, value));
            let store = builder.with_container_name(bucket).build().map_err(failed)?;
            Ok(remote(store, prefix, name, patience))
        }
        _ => Err(wrong()),
    }
}

fn remote<S: ObjectStore + Signer + Clone>(store: S, prefix: Path, name: String, patience: Duration) -> Remote {
    let objects = Arc::new(PrefixStore::new(store.clone(), prefix.clone()));
    Remote { objects, signer: Arc::new(store), prefix, name, patience }
}

/// Sets what the variables with this prefix say; those that the cloud's client does not know mean something to others.
fn configured<B, K: FromStr>(builder: B, variables: &Variables, prefix: &str, set: fn(B, K, String) -> B) -> B {
    variables.iter().filter(|(name, _)| name.starts_with(prefix)).fold(builder, |builder, (name, value)| {
        match name.to_ascii_lowercase().parse() {
            Ok(key) => set(builder, key, value.clone()),
            Err(_) => builder,
        }
    })
}

/// A transfer may take as long as it goes on.
fn client() -> ClientOptions {
    ClientOptions::new().with_timeout_disabled().with_connect_timeout(CONNECT).with_read_timeout(SILENCE)
}

fn patience(variables: &Variables) -> Duration {
    let told = variables.iter().find(|(name, _)| name == PATIENCE_VARIABLE).and_then(|(_, value)| value.parse().ok());
    told.map_or(PATIENCE, Duration::from_millis)
}

fn retry(patience: Duration) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: CONNECT, base: 2.0 },
        max_retries: usize::MAX,
        retry_timeout: patience,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_without_what_may_be_secret() {
        for place in
            ["s3://key:secret@bucket/prefix", "s3://bucket/prefix?secret=1", "secret://bucket?secret", "s3:///x"]
        {
            let error = connect(place, &[]).map(|_| ()).unwrap_err().to_string();
            assert!(!error.replace("secret://…", "").contains("secret"), "{error}");
            assert!(error.contains("does not name a store"), "{error}");
        }
    }

    #[test]
    fn a_bucket_and_its_prefix_make_the_name() {
        let remote = connect("s3://bucket/one/two/", &[]).unwrap();
        assert_eq!((remote.name.as_str(), remote.prefix.as_ref()), ("s3://bucket/one/two", "one/two"));
        assert_eq!(connect("s3://bucket", &[]).unwrap().name, "s3://bucket");
    }
}
