//! Hosts with a network between them: network namespaces on one switch. Cables can be pulled.
//!
//! A scenario runs in a process of its own on the first host, the gateways' and client's; workers start on the others.

use std::{
    env,
    net::{IpAddr, Ipv4Addr},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
};

use serde::{Deserialize, Serialize};

/// Set for a process that runs on the first host.
const NETWORK: &str = "PHALANX_TEST_NETWORK";

/// The hosts, the first one first.
#[derive(Serialize, Deserialize)]
pub struct Network {
    /// Of the switch and, with a number, of the hosts.
    name: String,
    hosts: usize,
}

impl Network {
    /// Runs `scenario`, which the test of this name does and nothing else, on the first of so many hosts. Where nobody may make
    /// networks, says so instead.
    pub fn with_hosts(hosts: usize, test: &str, scenario: impl Fn(&Self)) {
        if let Ok(network) = env::var(NETWORK) {
            return scenario(&serde_json::from_str(&network).unwrap());
        }
        if !is_possible() {
            eprintln!("SKIPPED: nobody may make network namespaces here, so no cable is pulled");
            return;
        }
        let network = Ends(Self::make(hosts));
        let mut scenario = Command::new("ip");
        scenario.args(["netns", "exec", &network.0.host(0)]);
        scenario.arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            // There is none between these hosts.
            scenario.env_remove(proxy);
        }
        let ended = scenario.env(NETWORK, serde_json::to_string(&network.0).unwrap()).status().unwrap();
        assert!(ended.success(), "on the first host: {ended}");
    }

    /// The address of a host.
    pub fn address(&self, host: usize) -> IpAddr {
        Ipv4Addr::new(10, 77, 0, u8::try_from(host + 1).unwrap()).into()
    }

    /// Pulls the cable of a host at the switch. What it sends is lost, and nobody tells it.
    pub fn pull(&self, host: usize) {
        ip(&["-n", &self.name, "link", "set", &port(host), "down"]);
    }

    /// Puts the cable back.
    pub fn plug(&self, host: usize) {
        ip(&["-n", &self.name, "link", "set", &port(host), "up"]);
    }

    /// A host's name.
    pub fn host(&self, host: usize) -> String {
        format!("{}-{host}", self.name)
    }

    fn make(hosts: usize) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("phalanx-{}-{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let network = Self { name, hosts };
        let switch = network.name.as_str();
        ip(&["netns", "add", switch]);
        ip(&["-n", switch, "link", "add", "switch", "type", "bridge"]);
        ip(&["-n", switch, "link", "set", "switch", "up"]);
        for at in 0..hosts {
            let (host, port) = (network.host(at), port(at));
            let address = format!("{}/24", network.address(at));
            ip(&["netns", "add", &host]);
            ip(&["-n", switch, "link", "add", &port, "type", "veth", "peer", "name", "cable", "netns", &host]);
            ip(&["-n", switch, "link", "set", &port, "master", "switch", "up"]);
            ip(&["-n", &host, "address", "add", &address, "dev", "cable"]);
            ip(&["-n", &host, "link", "set", "cable", "up"]);
            ip(&["-n", &host, "link", "set", "lo", "up"]);
        }
        network
    }
}

/// A network that is gone at the end.
struct Ends(Network);

impl Drop for Ends {
    fn drop(&mut self) {
        let hosts = (0..self.0.hosts).map(|host| self.0.host(host));
        for name in hosts.chain([self.0.name.clone()]) {
            // Its processes have ended; what is left of it is a name.
            let _ = Command::new("ip").args(["netns", "delete", &name]).status();
        }
    }
}

fn port(host: usize) -> String {
    format!("port{host}")
}

fn ip(arguments: &[&str]) {
    let ended = Command::new("ip").args(arguments).output().unwrap();
    assert!(ended.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

fn is_possible() -> bool {
    let name = format!("phalanx-{}-try", process::id());
    let works =
        |arguments: &[&str]| Command::new("ip").args(arguments).output().is_ok_and(|done| done.status.success());
    let is_made = works(&["netns", "add", &name]);
    let has_cables = is_made && works(&["-n", &name, "link", "add", "a0", "type", "veth", "peer", "name", "a1"]);
    let has_switches = is_made && works(&["-n", &name, "link", "add", "b0", "type", "bridge"]);
    if is_made {
        ip(&["netns", "delete", &name]);
    }
    has_cables && has_switches
}
