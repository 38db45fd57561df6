//! Where and with what was measured: processor, cores, RAM, kernel; revision of Phalanx, version of OpenVM, compiler.

use std::{fs, thread};

use crate::command::{command, root};

/// The facts, each `unknown` where the system does not say.
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// RAM in bytes.
    pub ram_bytes: u64,
    /// Release of the kernel.
    pub kernel: String,
    /// Commit of the repository, marked if files were changed since.
    pub revision: String,
    /// Version of OpenVM.
    pub openvm: String,
    /// The compiler.
    pub rustc: String,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let first_line = |program: &str, args: &[&str]| {
            let output = command(program, args).output().ok().filter(|output| output.status.success());
            output.and_then(|output| Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned()))
        };
        let unknown = || "unknown".to_owned();
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: thread::available_parallelism().map_or(1, usize::from),
            ram_bytes: memory(&read("/proc/meminfo"), "MemTotal"),
            kernel: first_line("uname", &["-sr"]).unwrap_or_else(unknown),
            revision: first_line("git", &["describe", "--always", "--dirty", "--exclude", "*"]).unwrap_or_else(unknown),
            openvm: locked_version(&fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default(), "openvm-sdk")
                .unwrap_or_else(unknown),
            rustc: first_line("rustc", &["--version"]).unwrap_or_else(unknown),
        }
    }

    /// `AMD EPYC 7B13, 2 cores, 23 GiB, Linux 6.18`
    pub fn hardware(&self) -> String {
        let ram_gib = self.ram_bytes as f64 / f64::from(1 << 30);
        format!("{}, {} cores, {ram_gib:.0} GiB, {}", self.cpu, self.cores, self.kernel)
    }

    /// `Phalanx 1f2e3d4, OpenVM 2.0.2, rustc 1.95.0 (…)`
    pub fn software(&self) -> String {
        format!("Phalanx {}, OpenVM {}, {}", self.revision, self.openvm, self.rustc)
    }

    /// RAM that is free now, the page cache included.
    pub fn ram_free_bytes() -> u64 {
        memory(&fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemAvailable")
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    line.map(|value| value.trim().to_owned())
}

/// A field of `/proc/meminfo`; 0 where there is none.
fn memory(text: &str, name: &str) -> u64 {
    let kib = field(text, name).and_then(|value| value.strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// The version of a package in `Cargo.lock`.
fn locked_version(lock: &str, package: &str) -> Option<String> {
    let (_, after) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    after.split_once('"').map(|(version, _)| version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_systems_texts() {
        assert_eq!(field("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n", "model name").unwrap(), "A CPU @ 2 GHz");
        assert_eq!(memory("MemTotal:       24000000 kB\nMemAvailable: 1 kB\n", "MemTotal"), 24_000_000 * 1024);
        assert_eq!(memory("", "MemTotal"), 0);
    }

    #[test]
    fn the_version_is_that_of_the_package_and_not_of_its_neighbour() {
        let lock = "[[package]]\nname = \"openvm\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"openvm-sdk\"\nversion = \"2.0.2\"\n";
        assert_eq!(locked_version(lock, "openvm-sdk").unwrap(), "2.0.2");
        assert_eq!(locked_version(lock, "openvm-sd"), None);
    }
}
