//! A PostgreSQL server of the tests' own: made by `initdb` in a temporary directory, run by an unprivileged user, reached by a
//! Unix socket, gone when the test process ends.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, any::install_default_drivers};

/// Debian's nobody; `initdb` refuses to work for root.
const NOBODY: u32 = 65_534;
const START_WAIT: Duration = Duration::from_secs(30);

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// Keeps the server alive by its standard input.
    _process: Child,
}

/// The URL of a database that nobody else uses, on a server that all tests of this process share.
pub async fn new_database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).new_database().await
}

impl Server {
    /// Makes a cluster and waits until it answers.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let data = folder.path().join("data");
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let mut initdb = program("initdb");
        initdb
            .args(["--auth=trust", "--username=phalanx", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data);
        let made = initdb.output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // The shell lives as long as our end of its standard input is open, however this process ends. The sockets lie in
        // the folder, whose path is short enough for one.
        let script = r#"folder=$1; stop=$2; shift 2; "$@" & cat; "$stop" -D "$folder/data" -m immediate -w stop; wait; \
                       rm -rf "$folder""#;
        let mut shell = unprivileged(Command::new("sh"));
        shell.arg("-c").arg(script).arg("sh").arg(folder.path()).arg(path("pg_ctl"));
        shell.arg(path("postgres")).arg("-D").arg(&data);
        shell.arg("-k").arg(folder.path()).args(["-c", "listen_addresses=", "-c", "max_connections=200"]);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { folder: folder.keep(), _process: process };
        server.wait();
        server
    }

    /// Kills the server as a crash would, and starts it again.
    #[allow(dead_code, reason = "only some tests do")]
    pub fn restart(&self) {
        let mut restart = program("pg_ctl");
        restart.args(["-m", "immediate", "-w", "restart", "-D"]).arg(self.folder.join("data"));
        restart.arg("-l").arg(self.folder.join("log-of-the-next"));
        assert!(restart.stdout(Stdio::null()).status().unwrap().success(), "PostgreSQL does not start again");
        self.wait();
    }

    /// The URL of a new database on this server.
    pub async fn new_database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        install_default_drivers();
        let mut connection = AnyConnection::connect(&self.url("postgres")).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        self.url(&name)
    }

    /// Where a database of the server is.
    pub fn url(&self, database: &str) -> String {
        format!("postgres:///{database}?host={}&user=phalanx", self.folder.display())
    }

    fn wait(&self) {
        let end = Instant::now() + START_WAIT;
        let mut is_ready = program("pg_isready");
        is_ready.arg("-q").arg("-h").arg(&self.folder);
        while !is_ready.status().unwrap().success() {
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "PostgreSQL does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn program(name: &str) -> Command {
    unprivileged(Command::new(path(name)))
}

/// Debian keeps the server's programs away from `PATH`, by version.
fn path(name: &str) -> PathBuf {
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let found = debian.chain(on_path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("PostgreSQL's {name} is not installed: ./x test installs it"))
}

fn unprivileged(mut command: Command) -> Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // A folder that nobody may enter would be an error.
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
