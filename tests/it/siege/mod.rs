//! Under attack by the holder of a key, and by programs without one, others are served as before and memory stays bounded.
//!
//! `make test` attacks with small numbers and measures no time; `make siege` attacks with all that the default limits admit,
//! and prints what others notice of it.

#[cfg(test)]
mod attacks;

use std::{
    collections::HashSet,
    fs, io,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    time::{Duration, Instant},
};

use serde_json::json;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use crate::{
    instructions::program,
    support::{
        Agent, Appliance, Credential, Origin, Way,
        agent::NAMED,
        appliance::{ALIAS, Builder, KEY},
        memory::{Peak, resident_kib},
        swarm::may_open,
    },
    unix_socket::with_socket,
};
use attacks::{ALL, Attack};

/// Memory of the machine that the default limits are made for.
const MACHINE_MIB: u64 = 1024;
/// Requests of others, in `make test`.
const FEW: usize = 20;
/// The same in full.
const MANY: usize = 2000;

/// What is attacked, and who else uses it.
pub(crate) struct Scene {
    pub appliance: Appliance,
    origin: Origin,
    /// Others come over it: from loopback they would be the client that attacks without a key.
    socket: PathBuf,
    _folder: TempDir,
}

/// What an attack has cost.
struct Besieged {
    /// By requests of others, the shortest time first.
    took: Vec<Duration>,
    /// The most memory that the process had.
    peak_mib: u64,
    /// Payload that the system held in its connections.
    queued_mib: u64,
}

impl Scene {
    fn start(adapt: impl FnOnce(Builder) -> Builder) -> Self {
        let (builder, socket, folder) = with_socket();
        let credential = Credential::key(ALIAS, KEY, &["localhost:*"]);
        let builder = builder.server().credential(credential).role("agents", "read,execute", "");
        let builder = builder.key("hostile", "agents").key("other", "agents");
        // Who attacks needs no more than patience, or other addresses, to get round these.
        let builder = builder.set("limits.header_timeout", "60").set("rate_limits.proxy", "0");
        let builder = builder.set("rate_limits.auth_failures", "1000000").set("rate_limits.management", "0");
        let appliance = adapt(builder).start();
        Self { appliance, origin: Origin::https(), socket, _folder: folder }
    }

    /// From one of the addresses of this machine.
    fn dial(&self, at: usize) -> Agent {
        let [.., third, fourth] = u32::try_from(at).unwrap().to_be_bytes();
        Agent::dial_from([127, 1, third, fourth.max(1)], self.appliance.address())
    }

    fn try_dial(&self, at: usize) -> io::Result<TcpStream> {
        let [.., third, fourth] = u32::try_from(at).unwrap().to_be_bytes();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from(([127, 1, third, fourth.max(1)], 0)).into())?;
        socket.connect(&self.appliance.address().into())?;
        let socket = TcpStream::from(socket);
        socket.set_write_timeout(Some(Duration::from_secs(1)))?;
        Ok(socket)
    }

    /// How long requests of another key took; each tenth is on a new connection.
    #[track_caller]
    fn ask(&self, times: usize) -> Vec<Duration> {
        let bearer = format!("Bearer {}", self.appliance.key("other"));
        let dial = || Agent::through(&self.socket, &self.appliance, Way::Path, &self.origin).unwrap();
        let (mut agent, mut took) = (dial(), Vec::new());
        for at in 0..times {
            if at % 10 == 9 {
                agent = dial();
            }
            let begun = Instant::now();
            agent.ask("GET", "/other", &[NAMED, ("Authorization", &bearer)]).expect_origins(200);
            took.push(begun.elapsed());
        }
        took.sort();
        self.execute();
        took
    }

    /// A request in the API that is not small.
    #[track_caller]
    fn execute(&self) {
        let params = json!({ "method": "POST", "url": self.origin.url("/execute"), "body": "x".repeat(1_000_000) });
        let body = json!({ "credential": ALIAS, "action": "http.request", "params": params }).to_string();
        let (key, length) = (self.appliance.key("other"), body.len());
        let fields =
            format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: {length}");
        let mut agent = Agent::dial_unix(&self.socket);
        agent.send(format!("POST /v1/execute HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n{body}"));
        assert_eq!(agent.answer("POST").status(), 200);
    }

    /// Attacks, and asks meanwhile.
    #[track_caller]
    fn besiege(&self, attack: &Attack, times: usize, asked: usize) -> Besieged {
        let pid = self.appliance.pid();
        let peak = Peak::of(pid);
        let held = (attack.begin)(self, times);
        let took = self.ask(asked);
        let (peak_mib, queued_mib) = (peak.mib(), queued(pid) >> 20);
        drop(held);
        Besieged { took, peak_mib, queued_mib }
    }
}

#[test]
fn others_are_served_under_each_attack_and_memory_stays_bounded() {
    for attack in &ALL {
        let scene = Scene::start(|it| it.set("limits.connections", "400"));
        scene.ask(FEW);
        let before = resident_kib(scene.appliance.pid()) >> 10;
        let [times, _] = attack.times;
        let Besieged { peak_mib, .. } = scene.besiege(attack, times, FEW);
        let most = before + attack.most_mib[0];
        assert!(peak_mib <= most, "{}: {peak_mib} MiB of {most}", attack.name);
    }
}

#[test]
#[ignore = "`make siege`, which prints a table"]
fn others_are_served_at_the_default_limits() {
    assert!(may_open(15_000), "too few open files are allowed");
    println!("{:<26} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}", "", "p50", "p99", "besieged", "p99", "memory", "system");
    for attack in &ALL {
        let scene = Scene::start(|it| it.program(&program()));
        let quiet = scene.ask(MANY);
        let before = resident_kib(scene.appliance.pid()) >> 10;
        let Besieged { took, peak_mib, queued_mib } = scene.besiege(attack, attack.times[1], MANY);
        let of = |took: &[Duration], hundredth: usize| took[took.len() * hundredth / 100].as_micros();
        println!(
            "{:<26} {:>5} µs {:>5} µs {:>5} µs {:>5} µs {:>4} MiB {:>3} MiB",
            attack.name,
            of(&quiet, 50),
            of(&quiet, 99),
            of(&took, 50),
            of(&took, 99),
            peak_mib,
            queued_mib,
        );
        assert!(peak_mib <= before + attack.most_mib[1], "{}: {peak_mib} MiB", attack.name);
        assert!(peak_mib + queued_mib < MACHINE_MIB, "{}: {peak_mib} and {queued_mib} MiB", attack.name);
    }
}

/// Bytes of payload that the system holds in the TCP connections of a process, received or to be sent. The memory that they
/// take in the system is more, up to about twice as much.
fn queued(pid: u32) -> u64 {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let sockets: HashSet<String> = links
        .filter_map(|it| fs::read_link(it.path()).ok())
        .filter_map(|it| Some(it.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    // Without IPv6 there is no second table.
    let six = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let tables = [fs::read_to_string("/proc/net/tcp").unwrap(), six];
    let of = |line: &str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let (sent, received) = columns.get(4)?.split_once(':')?;
        let bytes = |it| u64::from_str_radix(it, 16).ok();
        sockets.contains(*columns.get(9)?).then(|| Some(bytes(sent)? + bytes(received)?))?
    };
    tables.iter().flat_map(|it| it.lines().skip(1)).filter_map(of).sum()
}
