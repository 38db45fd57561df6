//! Small disks: a file system of few bytes that only one process of a scenario sees, at a folder of its own.
//!
//! It lies in memory and ends with the process. The test reaches it through `/proc`.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use serde::{Deserialize, Serialize};

/// A disk.
#[derive(Clone, Serialize, Deserialize)]
pub struct SmallDisk {
    /// Where the process has it.
    pub at: PathBuf,
    pub kib: u32,
}

impl SmallDisk {
    /// Whether this process may make such disks. If not, it says so.
    pub fn is_possible() -> bool {
        let folder = tempfile::tempdir().unwrap();
        let disk = Self { at: folder.path().to_owned(), kib: 4 };
        let is_possible = disk.command(Path::new("true")).output().is_ok_and(|done| done.status.success());
        if !is_possible {
            eprintln!("SKIPPED: nobody may mount a file system here, so no disk becomes full");
        }
        is_possible
    }

    /// A command that runs a program which has this disk.
    pub fn command(&self, program: &Path) -> Command {
        fs::create_dir_all(&self.at).unwrap();
        let mut command = Command::new("unshare");
        // Who is root already needs no users of its own, and would not see the files of others among those.
        if !rustix::process::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let script = r#"mount -t tmpfs -o "size=$1k" none "$2" && shift 2 && exec "$@""#;
        command.args(["--mount", "bash", "-c", script, "bash"]);
        command.arg(self.kib.to_string()).arg(&self.at).arg(program);
        command
    }
}

/// A command that starts a program which has the disks of another process.
pub fn command_beside(process: u32, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &process.to_string(), "--mount"]);
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--preserve-credentials"]);
    }
    command.arg(program);
    command
}

/// A path as a process sees it.
pub fn seen_by(process: u32, path: &Path) -> PathBuf {
    Path::new(&format!("/proc/{process}/root")).join(path.strip_prefix("/").unwrap())
}

/// Writes to a file until nothing more fits on its disk.
pub fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}
