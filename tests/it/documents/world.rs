//! A network of its own for a test, in which the hosts of the examples lead to us, at an address that counts as public.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    documents::hosts::{self, HOSTS},
    support::{
        process::{Output, run},
        skip,
    },
};

/// Says that the network is there already.
const INSIDE: &str = "VULTRINO_DOCUMENTS_INSIDE";
/// Programs look here for the certificates that the system trusts.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Runs `work`, the body of `test`, in a process of its own whose network nothing leaves.
pub(crate) fn within(test: &str, work: impl FnOnce()) {
    if variable(INSIDE).is_some() {
        prepare();
        return work();
    }
    let probe = format!("ip link set lo up && mount --bind /etc/hosts /etc/hosts && test -f {SYSTEM_ROOTS}");
    if !unshared(Path::new("sh")).args(["-c", &probe]).output().is_ok_and(|it| it.status.success()) {
        return skip::note(test, "no network of its own may be made here (unshare, ip, mount, ca-certificates)");
    }
    let mut inner = unshared(&env::current_exe().unwrap());
    inner.args(["--exact", test, "--nocapture"]).env(INSIDE, "1");
    let Output { status, stdout, stderr } = run(&mut inner, "");
    for note in stderr.lines().filter_map(|it| it.split_once("so far): ")).map(|(_, note)| note) {
        skip::note(test, note);
    }
    assert!(status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "{test} is not the name of the test: {stdout}");
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

fn prepare() {
    let folder = TempDir::with_prefix("vultrino-world-").unwrap();
    let (names, roots) = (folder.path().join("hosts"), folder.path().join("roots.pem"));
    let lines: String = HOSTS.iter().flat_map(|(name, address)| [address, " ", name, "\n"]).collect();
    fs::write(&names, format!("127.0.0.1 localhost\n{lines}")).unwrap();
    fs::write(&roots, hosts::open()).unwrap();
    let mut commands = vec!["ip link set lo up".to_owned()];
    for (_, address) in HOSTS {
        commands.push(format!("ip address replace {address}/32 dev lo"));
    }
    commands.push(format!("mount --bind {} /etc/hosts", names.display()));
    commands.push(format!("mount --bind {} {SYSTEM_ROOTS}", roots.display()));
    let done = Command::new("sh").args(["-e", "-c", &commands.join("\n")]).stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}
