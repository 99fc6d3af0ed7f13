//! Each broker in a network of its own, from which packets to others can be kept.
//!
//! The test runs itself again in network and mount namespaces of its own (`unshare`), makes one more network namespace for each broker, and
//! joins them with a bridge. A packet that is to be lost is sent to a hardware address that nobody has: the sender hears nothing of it, as on a
//! network that is cut, and the other direction goes on.

use std::{
    env,
    process::{Command, ExitCode, Stdio},
};

use crate::NODES;

/// Set for the test within.
const INSIDE: &str = "HOLDFAST_FAULTS_INSIDE";
/// Networks for tests (RFC 2544); the third number is that of the run.
const PREFIX: &str = "198.18";
/// Locally administered; nobody on the bridge has it.
const NOBODY: &str = "02:00:00:00:ff:ff";

/// Who sends or receives: the clients, which are number 0, or a broker, from 1.
pub type Host = usize;

/// The hosts of one run and what joins them; they are gone with the namespace of the test.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Runs beside each other have different numbers.
    run: u8,
}

/// Runs this program in namespaces of its own, and returns how it ended; or returns `None` within them, and where that is not possible, with the
/// reason.
pub fn enter() -> Result<Option<ExitCode>, String> {
    if env::var_os(INSIDE).is_some() {
        run(Command::new("mount").args(["-t", "tmpfs", "none", "/run"]))?;
        ip("link set lo up")?;
        return Ok(None);
    }
    // It looks for what it needs outside.
    let binary = peer::holdfast_binary().map_err(|error| error.to_string())?;
    let unshare = |program: &std::ffi::OsStr| {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--map-root-user", "--user"]);
        }
        command.args(["--net", "--mount", "--"]).arg(program);
        command
    };
    run(&mut unshare("true".as_ref()))?;
    let program = env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let status = unshare(program.as_os_str())
        .args(env::args_os().skip(1))
        .env(INSIDE, "1")
        .env("HOLDFAST_BIN", binary)
        .status();
    let status = status.map_err(|error| format!("unshare: {error}"))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Some(code.unwrap_or(1).into()))
}

impl Network {
    /// Makes the hosts.
    pub fn make(run: u8) -> Result<Network, String> {
        let network = Network { run };
        let bridge = network.bridge();
        let own = hardware_address(0);
        ip(&format!("link add {bridge} type bridge"))?;
        ip(&format!("link set {bridge} address {own} up"))?;
        ip(&format!("addr add {}/24 dev {bridge}", network.address(0)))?;
        for host in 1..=NODES {
            let (name, port) = (network.name(host), format!("port{run}-{host}"));
            ip(&format!("netns add {name}"))?;
            let own = hardware_address(host);
            ip(&format!(
                "link add {port} type veth peer name eth0 address {own} netns {name}"
            ))?;
            ip(&format!("link set {port} master {bridge} up"))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set eth0 up"))?;
            let address = network.address(host);
            ip(&format!("-n {name} addr add {address}/24 dev eth0"))?;
        }
        network.heal()?;
        Ok(network)
    }

    /// From here on nothing that `from` sends arrives at `to`.
    pub fn cut(self, from: Host, to: Host) -> Result<(), String> {
        self.set_neighbour(from, to, NOBODY)
    }

    /// All is well again.
    pub fn heal(self) -> Result<(), String> {
        for from in 0..=NODES {
            for to in (0..=NODES).filter(|to| *to != from) {
                self.set_neighbour(from, to, &hardware_address(to))?;
            }
        }
        Ok(())
    }

    /// Where a host listens.
    pub fn address(self, host: Host) -> String {
        format!("{PREFIX}.{}.{}", self.run, host + 1)
    }

    /// What becomes a program of that host.
    pub fn runner(self, host: Host) -> Vec<String> {
        // Not `ip netns exec`, which gives it a copy of all mounts, so that no disk could be unmounted while it runs.
        let namespace = format!("--net=/run/netns/{}", self.name(host));
        vec!["nsenter".to_owned(), namespace]
    }

    fn name(self, host: Host) -> String {
        format!("{}-{host}", self.run)
    }

    fn bridge(self) -> String {
        format!("bridge{}", self.run)
    }

    fn set_neighbour(self, from: Host, to: Host, hardware_address: &str) -> Result<(), String> {
        let (of, device) = match from {
            0 => (String::new(), self.bridge()),
            _ => (format!("-n {} ", self.name(from)), "eth0".to_owned()),
        };
        ip(&format!(
            "{of}neigh replace {} lladdr {hardware_address} nud permanent dev {device}",
            self.address(to)
        ))
    }
}

fn hardware_address(host: Host) -> String {
    format!("02:00:00:00:00:{:02x}", host + 1)
}

fn ip(arguments: &str) -> Result<(), String> {
    run(Command::new("ip").args(arguments.split(' ')))
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Err(format!("{command:?}: {}", stderr.trim()))
        }
    }
}
