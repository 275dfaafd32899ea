//! A network of its own for a test, in which the hosts that it makes up lead to us, at addresses that count as public.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use crate::support::{
    process::{Output, run_for},
    skip,
};

/// Says that the network is there already.
const INSIDE: &str = "VULTRINO_TEST_INSIDE";
/// Programs look here for the certificates that the system trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// All that goes on in such a network takes no longer.
const DEADLINE: Duration = Duration::from_mins(8);

/// Names and the addresses that they lead to.
pub(crate) type Hosts = [(&'static str, &'static str)];

/// Runs `work`, the body of `test`, in a process of its own whose network nothing leaves. `open` opens the hosts, and
/// gives the certificate of the authority that they are known by. What the process said comes back to the one outside.
pub(crate) fn within(test: &str, hosts: &Hosts, open: impl FnOnce() -> String, work: impl FnOnce()) -> Option<String> {
    if variable(INSIDE).is_some() {
        prepare(hosts, open);
        work();
        return None;
    }
    let probe = format!("ip link set lo up && mount --bind /etc/hosts /etc/hosts && test -f {SYSTEM_ROOTS}");
    if !unshared(Path::new("sh")).args(["-c", &probe]).output().is_ok_and(|it| it.status.success()) {
        skip::note(test, "no network of its own may be made here (unshare, ip, mount, ca-certificates)");
        return None;
    }
    let mut inner = unshared(&env::current_exe().unwrap());
    inner.args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let Output { status, stdout, stderr } = run_for(DEADLINE, &mut inner, "");
    for note in stderr.lines().filter_map(|it| it.split_once("so far): ")).map(|(_, note)| note) {
        skip::note(test, note);
    }
    assert!(status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{test} is not the name of the test: {stdout}");
    Some(stderr)
}

/// A variable of the environment of this process.
#[expect(clippy::disallowed_methods, reason = "the tests have no configuration to read it")]
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok()
}

fn unshared(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--net", "--mount"]).arg(program);
    command
}

fn prepare(hosts: &Hosts, open: impl FnOnce() -> String) {
    let folder = TempDir::with_prefix("vultrino-world-").unwrap();
    let (names, roots) = (folder.path().join("hosts"), folder.path().join("roots.pem"));
    let lines: String = hosts.iter().flat_map(|(name, address)| [address, " ", name, "\n"]).collect();
    fs::write(&names, format!("127.0.0.1 localhost\n{lines}")).unwrap();
    fs::write(&roots, open()).unwrap();
    let mut commands = vec!["ip link set lo up".to_owned()];
    for (_, address) in hosts {
        commands.push(format!("ip address replace {address}/32 dev lo"));
    }
    commands.push(format!("mount --bind {} /etc/hosts", names.display()));
    commands.push(format!("mount --bind {} {SYSTEM_ROOTS}", roots.display()));
    let done = Command::new("sh").args(["-e", "-c", &commands.join("\n")]).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}
