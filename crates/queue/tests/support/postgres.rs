//! A PostgreSQL server of the tests' own: made by `initdb` in a temporary directory, run by an unprivileged user, reached by a
//! Unix socket, gone when the test process ends.

use std::{
    env, fs,
    io::Read,
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
};

use sqlx::{AnyConnection, AssertSqlSafe, Connection, any::install_default_drivers};

/// Debian's nobody; `initdb` refuses to work for root.
const NOBODY: u32 = 65_534;

/// A server that runs.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// Whether its data lies on a file system that only it sees.
    has_disk: bool,
    /// Ends the server when its standard input ends.
    shell: Child,
}

/// The URL of a database that nobody else uses, on a server that all tests of this process share.
pub async fn new_database() -> String {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start).new_database().await
}

impl Server {
    /// Makes a cluster and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(None).unwrap()
    }

    /// The same with its data on a disk of its own, a file system in memory of so many KiB, if this process may make one.
    #[allow(dead_code, reason = "only some tests do")]
    pub fn start_on_disk(kib: u32) -> Option<Self> {
        Self::start_with(Some(kib))
    }

    fn start_with(disk_kib: Option<u32>) -> Option<Self> {
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        if is_root() {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let (mut shell, mount, unmount) = match disk_kib {
            None => (Command::new("sh"), String::new(), ""),
            Some(kib) => {
                let mut shell = Command::new("unshare");
                shell.args(["--map-current-user", "--keep-caps", "--mount", "sh"]);
                let mount = format!("mkdir data && mount -t tmpfs -o size={kib}k,mode=700 none data || exit;");
                (shell, mount, "umount --lazy data;")
            }
        };
        // The shell lives as long as our end of its standard input is open, however this process ends.
        let script = format!(
            "trap '' INT; cd \"$1\"; {mount} echo; cat; \"$2\" -D data -m immediate -w stop; {unmount} cd /; rm -rf \"$1\""
        );
        let shell = unprivileged(&mut shell).arg("-c").arg(script).arg("sh").arg(folder.path()).arg(path("pg_ctl"));
        let log = fs::File::create(folder.path().join("shell-log")).unwrap();
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        if shell.stdout.take().unwrap().read_exact(&mut [0]).is_err() {
            shell.wait().unwrap();
            return None;
        }
        let server = Self { folder: folder.keep(), has_disk: disk_kib.is_some(), shell };
        let mut initdb = server.program("initdb");
        initdb.args(["--auth=trust", "--username=phalanx", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]);
        initdb.arg(server.data());
        if server.has_disk {
            // The log of 16 MiB at a time would be the most of it.
            initdb.arg("--wal-segsize=1");
        }
        server.run(&mut initdb);
        // The sockets lie in the folder, whose path is short enough for one.
        let options = format!("-k {} -c listen_addresses= -c max_connections=200", server.folder.display());
        server.run(server.pg_ctl("start").args(["-o", &options]));
        Some(server)
    }

    /// Kills the server as a crash would, if it is there, and starts it again.
    #[allow(dead_code, reason = "only some tests do")]
    pub fn restart(&self) {
        self.run(self.pg_ctl("restart").args(["-m", "immediate"]));
    }

    /// Fills its disk until nothing more fits on it.
    #[allow(dead_code, reason = "only some tests do")]
    pub fn fill_disk(&self) {
        assert!(self.has_disk, "it would fill this machine's");
        let filled = self.program("sh").args(["-c", r#"cat /dev/zero > "$1/filler""#, "sh"]).arg(self.data()).output();
        let said = String::from_utf8(filled.unwrap().stderr).unwrap();
        assert!(said.contains("No space left"), "{said}");
    }

    /// Takes away what filled it.
    #[allow(dead_code, reason = "only some tests do")]
    pub fn empty_disk(&self) {
        self.run(self.program("rm").arg(self.data().join("filler")));
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

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn pg_ctl(&self, verb: &str) -> Command {
        let mut pg_ctl = self.program("pg_ctl");
        pg_ctl.args([verb, "-w", "-D"]).arg(self.data()).arg("-l").arg(self.folder.join("log"));
        pg_ctl
    }

    /// One of PostgreSQL's programs, which sees the server's disk.
    fn program(&self, name: &str) -> Command {
        let mut command = if self.has_disk {
            let mut enter = Command::new("nsenter");
            enter.args(["--target", &self.shell.id().to_string(), "--user", "--preserve-credentials", "--mount"]);
            enter.arg(path(name));
            enter
        } else {
            Command::new(path(name))
        };
        unprivileged(&mut command);
        command
    }

    fn run(&self, command: &mut Command) {
        let done = command.stdin(Stdio::null()).output().unwrap();
        let said = || [done.stdout.clone(), done.stderr.clone(), fs::read(self.folder.join("log")).unwrap_or_default()];
        assert!(done.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&said().concat()));
    }
}

/// Debian keeps the server's programs away from `PATH`, by version.
fn path(name: &str) -> PathBuf {
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>()).unwrap_or_default();
    let found = debian.chain(on_path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("PostgreSQL's {name} is not installed: ./x test installs it"))
}

fn unprivileged(command: &mut Command) -> &mut Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // A folder that nobody may enter would be an error.
    command.current_dir("/")
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
