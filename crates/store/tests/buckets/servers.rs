//! Servers of buckets: `x test` installs them, each test starts its own on loopback, and it ends with the test.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use phalanx_store::{Store, StoreError};

/// Whose bucket a server plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cloud {
    S3,
    Gcs,
    Azure,
}

/// A running server with an empty bucket `phalanx`.
pub struct Server {
    cloud: Cloud,
    child: Child,
    /// Its host and port.
    pub address: String,
    key: String,
}

/// Where the servers are installed.
fn installed(program: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-servers");
    let folder = env::var_os("PHALANX_TEST_SERVERS").map_or(default, PathBuf::from);
    let path = folder.join(program);
    assert!(path.exists(), "{} is not there: `./x test tests` installs the servers first", path.display());
    path
}

fn script(args: &[&str]) -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    // Tests of other crates use these servers, too.
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../store/tests/buckets/servers.py")).args(args);
    command
}

impl Server {
    pub fn start(cloud: Cloud) -> Self {
        let mut command = match cloud {
            Cloud::S3 => script(&["s3"]),
            Cloud::Gcs => script(&["gcs"]),
            Cloud::Azure => {
                let mut azurite = Command::new(installed("node/node_modules/.bin/azurite-blob"));
                azurite.args(["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence"]);
                azurite.args(["--skipApiVersionCheck", "--disableTelemetry"]);
                azurite
            }
        };
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { cloud, child, address: String::new(), key: String::new() };
        let mut lines = BufReader::new(server.child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let says = |line: String| Some(line.split_once(" on ")?.1.trim_start_matches("http://").to_owned());
        // Azurite names the port that it was told before the one that it has.
        let address = lines.by_ref().filter_map(says).find(|address| !address.ends_with(":0"));
        server.address = address.expect("the server ended before it listened");
        // It must not wait for somebody to read what it says.
        thread::spawn(move || lines.for_each(drop));
        match cloud {
            Cloud::S3 => {}
            Cloud::Gcs => server.key = String::from_utf8(script(&["key"]).output().unwrap().stdout).unwrap(),
            Cloud::Azure => {
                let url = format!("http://{}/devstoreaccount1", server.address);
                assert!(script(&["azure", &url]).status().unwrap().success());
            }
        }
        server
    }

    /// A store of this name in the bucket.
    pub fn place(&self, name: &str) -> String {
        let scheme = match self.cloud {
            Cloud::S3 => "s3",
            Cloud::Gcs => "gs",
            Cloud::Azure => "az",
        };
        format!("{scheme}://phalanx/{name}")
    }

    /// What reaches the server, or a proxy in front of it, at `address`.
    pub fn variables(&self, address: &str) -> Vec<(String, String)> {
        let url = format!("http://{address}");
        let account_url = format!("{url}/devstoreaccount1");
        // The key that every emulator of Azure has.
        let azure_key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        let variables = match self.cloud {
            Cloud::S3 => vec![
                ("AWS_ENDPOINT_URL", url.as_str()),
                ("AWS_ALLOW_HTTP", "true"),
                ("AWS_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "AKIDTESTS"),
                ("AWS_SECRET_ACCESS_KEY", "very secret"),
            ],
            Cloud::Gcs => vec![
                ("GOOGLE_BASE_URL", url.as_str()),
                ("GOOGLE_ALLOW_HTTP", "true"),
                ("GOOGLE_SERVICE_ACCOUNT_KEY", self.key.as_str()),
            ],
            Cloud::Azure => vec![
                ("AZURE_STORAGE_ENDPOINT", account_url.as_str()),
                ("AZURE_ALLOW_HTTP", "true"),
                ("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1"),
                ("AZURE_STORAGE_ACCOUNT_KEY", azure_key),
            ],
        };
        variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub fn open(&self, name: &str) -> Result<Store, StoreError> {
        Store::open_with(&self.place(name), self.variables(&self.address))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
