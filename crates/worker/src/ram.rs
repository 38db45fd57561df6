//! How much RAM a job may use by default, and how much this process holds.
//!
//! In: the texts of `/proc` and `/sys/fs/cgroup`. Out: bytes. Every file may be missing or strange: then it says nothing.

use std::{fs, path::Path};

/// The part of the free RAM that a job takes by default, in percent. The rest is for the page cache, which executions and
/// the store live on, and for whoever else uses the machine.
pub const SHARE_PERCENT: u64 = 80;

/// A cgroup path is followed upwards through this many groups at most.
const CGROUP_DEPTH_MAX: usize = 64;

/// The default RAM budget: 80 % of what the cgroup leaves, or the machine if that is less. `None` where the system does
/// not say.
///
/// Memory files such as those in `/dev/shm` are in use, not free; clean page cache is free.
pub fn available_ram() -> Option<u64> {
    let left = left(&|path| fs::read_to_string(path).ok())?;
    Some(left / 100 * SHARE_PERCENT)
}

/// What the process holds in RAM now.
pub fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    pages.checked_mul(rustix::param::page_size() as u64)
}

/// The most that the process has held in RAM since it started.
pub fn peak_resident_bytes() -> Option<u64> {
    kib_field(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The least of what the machine and every memory cgroup of this process leave. `read` gives the text of a file.
fn left(read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| kib_field(&text, "MemAvailable:"));
    let cgroups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    cgroups.lines().filter_map(|line| left_in_cgroup(line, read)).chain(machine).min()
}

/// What one line of `/proc/self/cgroup` leaves: its group and all groups above it have limits.
fn left_in_cgroup(line: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    let files = if controllers.is_empty() {
        &V2
    } else if controllers.split(',').any(|name| name == "memory") {
        &V1
    } else {
        return None;
    };
    // In a container the path may be that of the host, of which only the root is mounted: missing groups say nothing.
    let groups = Path::new(group.trim_start_matches('/')).ancestors().take(CGROUP_DEPTH_MAX);
    groups.filter_map(|group| left_in_group(&Path::new(files.root).join(group), files, read)).min()
}

/// Where a version of cgroups keeps its facts.
struct CgroupFiles {
    root: &'static str,
    limit: &'static str,
    usage: &'static str,
    /// The field of `memory.stat` with page cache that the kernel drops before it refuses memory.
    cache: &'static str,
}

const V2: CgroupFiles =
    CgroupFiles { root: "/sys/fs/cgroup", limit: "memory.max", usage: "memory.current", cache: "inactive_file" };
const V1: CgroupFiles = CgroupFiles {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: "total_inactive_file",
};

fn left_in_group(group: &Path, files: &CgroupFiles, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    // "max" is no number: no limit here.
    let limit: u64 = read(&group.join(files.limit))?.trim().parse().ok()?;
    let usage: u64 = read(&group.join(files.usage))?.trim().parse().ok()?;
    let stat = read(&group.join("memory.stat")).unwrap_or_default();
    let cache = stat
        .lines()
        .find_map(|line| line.strip_prefix(files.cache)?.strip_prefix(' ')?.trim().parse().ok())
        .unwrap_or(0);
    Some(limit.saturating_sub(usage.saturating_sub(cache)))
}

/// The field `name` of a `/proc` text that counts in KiB.
fn kib_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    const GIB: u64 = 1 << 30;
    const MEMINFO: &str = "MemTotal:       32778244 kB\nMemFree:         1000000 kB\nMemAvailable:   16777216 kB\n";

    fn left_given(files: &[(&str, &str)]) -> Option<u64> {
        let files: HashMap<_, _> = files.iter().map(|(path, text)| (Path::new(path), *text)).collect();
        left(&|path| files.get(path).map(|text| (*text).to_owned()))
    }

    #[test]
    fn without_a_cgroup_the_machine_decides() {
        assert_eq!(left_given(&[("/proc/meminfo", MEMINFO)]), Some(16 * GIB));
        assert_eq!(left_given(&[("/proc/meminfo", MEMINFO), ("/proc/self/cgroup", "0::/\n")]), Some(16 * GIB));
    }

    #[test]
    fn a_v2_limit_counts_clean_cache_as_free_and_memory_files_as_used() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "8589934592\n"),
            ("/sys/fs/cgroup/memory.current", "3221225472\n"),
            ("/sys/fs/cgroup/memory.stat", "anon 1\nshmem 1073741824\ninactive_file 1073741824\nactive_file 5\n"),
        ];
        assert_eq!(left_given(&files), Some(6 * GIB));
    }

    #[test]
    fn the_tightest_group_above_decides() {
        let files = [
            ("/proc/self/cgroup", "0::/user.slice/job.scope\n"),
            ("/sys/fs/cgroup/user.slice/job.scope/memory.max", "max\n"),
            ("/sys/fs/cgroup/user.slice/job.scope/memory.current", "1073741824\n"),
            ("/sys/fs/cgroup/user.slice/memory.max", "4294967296\n"),
            ("/sys/fs/cgroup/user.slice/memory.current", "1073741824\n"),
        ];
        assert_eq!(left_given(&files), Some(3 * GIB));
    }

    #[test]
    fn a_v1_limit_is_read_from_the_memory_controller() {
        let files = [
            ("/proc/meminfo", MEMINFO),
            ("/proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/docker/abc\n0::/\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"),
            ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1610612736\n"),
            ("/sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 536870912\n"),
        ];
        assert_eq!(left_given(&files), Some(GIB));
    }

    #[test]
    fn more_in_use_than_allowed_leaves_nothing() {
        let files = [
            ("/proc/self/cgroup", "0::/\n"),
            ("/sys/fs/cgroup/memory.max", "10\n"),
            ("/sys/fs/cgroup/memory.current", "20\n"),
        ];
        assert_eq!(left_given(&files), Some(0));
    }

    #[test]
    fn strange_texts_say_nothing() {
        assert_eq!(left_given(&[]), None);
        let strange = [
            ("/proc/meminfo", "MemAvailable: many kB\nMemAvailable:"),
            ("/proc/self/cgroup", "0:\n::::\nmemory\n3:memory:/x\n0::/\n"),
            ("/sys/fs/cgroup/memory.max", "-1\n"),
        ];
        assert_eq!(left_given(&strange), None);
        assert_eq!(kib_field("VmHWM: 99999999999999999999 kB", "VmHWM:"), None);
        assert_eq!(kib_field("VmHWM: 18446744073709551615 kB", "VmHWM:"), None);
    }

    #[test]
    fn this_process_holds_something_and_never_held_less() {
        let held = resident_bytes().expect("statm is readable");
        assert!(held > 0 && peak_resident_bytes().expect("VmHWM is readable") >= held);
    }
}
