//! Instructions per request, counted by callgrind, so that the cost of a request does not grow unnoticed.
//!
//! Only Rust functions are counted: the C library and aws-lc pick other code on other processors. Crates such as memchr
//! pick by AVX2, so a processor must have it; valgrind executes no AVX-512. Each server is run twice, with and without
//! the requests that count; the difference leaves out start, warm-up and end.

#[cfg(test)]
mod figures;
#[cfg(test)]
mod profile;
#[cfg(test)]
mod way;

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::{
    Appliance, Credential,
    appliance::{ALIAS, KEY},
    process::{VULTRINO, run},
    skip,
};
use figures::Figures;
use profile::{Counted, counted};
use way::{ALL, Origins, Way};

/// A caller with a key, and a credential under a policy: what every request of a user goes through.
const POLICY: &str = "[[policies]]\nname = \"reads\"\ncredential_pattern = \"*\"\ndefault_action = \"deny\"\n\
                      rules = [{ condition = { method_match = [\"GET\"] }, action = \"allow\" }]\n";

/// How often it is counted before a request is said to take more. A busy machine adds a little: what the server does by the
/// clock, such as writing the audit log in batches, then falls on fewer requests.
const LOOKS: usize = 3;

#[test]
fn no_request_takes_more_instructions_than_is_written_down() {
    const TEST: &str = "no_request_takes_more_instructions_than_is_written_down";
    if let Some(missing) = missing() {
        return skip::note(TEST, &missing);
    }
    let before = Figures::read();
    let mut now = measured();
    for _ in 1..LOOKS {
        if before.differences(&now).more.is_empty() {
            break;
        }
        now.least(measured());
    }
    let differences = before.differences(&now);
    if !differences.fewer.is_empty() {
        let note = format!("\nNOTE: {TEST}: {}\n", differences.fewer);
        io::stderr().write_all(note.as_bytes()).unwrap();
    }
    assert!(differences.more.is_empty(), "{}", differences.more);
}

#[test]
#[ignore = "`make instructions`, which writes the figures down"]
fn the_figures_are_written_down() {
    assert_eq!(missing(), None);
    let (before, mut now) = (Figures::read(), measured());
    now.least(measured());
    print!("{}", before.beside(&now));
    now.write();
}

/// What makes the C library and aws-lc pick the code of a processor without AVX and what came later.
const OF_OLDER_PROCESSORS: [(&str, &str); 2] = [
    ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load"),
    // Bits of EDX and ECX that CPUID gives for leaf 1, and of EBX and ECX for leaf 7.
    ("OPENSSL_ia32cap", "~0x1040000000000000:~0x600e02b0120"),
];

#[test]
fn the_figures_do_not_depend_on_what_the_c_library_and_aws_lc_pick() {
    const TEST: &str = "the_figures_do_not_depend_on_what_the_c_library_and_aws_lc_pick";
    /// In thousandths; more than that is a difference.
    const MOST_APART: i128 = 20;
    if let Some(missing) = missing() {
        return skip::note(TEST, &missing);
    }
    let origins = Origins::new();
    let counted = |environment: &[(&str, &str)]| {
        let [nothing, way] = [None, Some(Way::Path)].map(|way| counted_in(&origins, way, environment));
        [(way.rust, nothing.rust), (way.other, nothing.other)]
            .map(|(way, nothing)| i128::from(way) - i128::from(nothing))
    };
    let apart = |one: i128, two: i128| (one - two).abs() * 1000 / two;
    let mut least = [counted(&OF_OLDER_PROCESSORS), counted(&[])];
    for _ in 1..LOOKS {
        let [[rust, _], [rust_before, _]] = least;
        if apart(rust, rust_before) < MOST_APART {
            break;
        }
        let again = [counted(&OF_OLDER_PROCESSORS), counted(&[])];
        for (least, again) in least.as_flattened_mut().iter_mut().zip(again.as_flattened()) {
            *least = *again.min(least);
        }
    }
    let [[rust, other], [rust_before, other_before]] = least;
    let figures = format!("Rust {rust_before} and {rust}, other {other_before} and {other}");
    assert!(apart(rust, rust_before) < MOST_APART, "{figures}");
    if apart(other, other_before) <= MOST_APART {
        skip::note(TEST, &format!("this processor has nothing newer to pick: {figures}"));
    }
}

/// Why nothing can be counted here.
fn missing() -> Option<String> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) || !has_avx2() {
        return Some("the figures are those of Linux on an x86-64 processor with AVX2".to_owned());
    }
    for tool in ["valgrind", "taskset"] {
        if Command::new(tool).arg("--version").output().is_err() {
            return Some(format!("there is no {tool}"));
        }
    }
    let stale = "the release build is not that of these sources: cargo build --release --locked -p vultrino";
    (!is_current(&program())).then(|| stale.to_owned())
}

/// Crates such as memchr have code for it.
fn has_avx2() -> bool {
    fs::read_to_string("/proc/cpuinfo").is_ok_and(|it| it.split_ascii_whitespace().any(|flag| flag == "avx2"))
}

/// The release build: that of the tests is not what anybody runs.
pub(crate) fn program() -> PathBuf {
    Path::new(VULTRINO).parent().unwrap().with_file_name("release").join("vultrino")
}

/// Whether a program is younger than all that cargo says it was made of.
fn is_current(program: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|it| it.modified()).ok();
    let Ok(made_of) = fs::read_to_string(program.with_extension("d")) else { return false };
    let (_, sources) = made_of.split_once(": ").unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let settings = ["Cargo.toml", "Cargo.lock"].map(|it| root.join(it));
    let mut sources = sources.split_ascii_whitespace().map(PathBuf::from).chain(settings);
    modified(program).is_some_and(|made| sources.all(|it| modified(&it).is_some_and(|it| it <= made)))
}

/// What one request of each way takes now.
fn measured() -> Figures {
    let origins = Origins::new();
    let nothing = instructions(&origins, None);
    let each = |way: Way| (instructions(&origins, Some(way)).saturating_sub(nothing)) / way.count() as u64;
    let instructions: BTreeMap<_, _> = ALL.iter().map(|way| (way.name().to_owned(), each(*way))).collect();
    Figures { rustc: version("rustc"), valgrind: version("valgrind"), instructions }
}

/// Instructions in Rust functions of a server, from its start to its end.
fn instructions(origins: &Origins, way: Option<Way>) -> u64 {
    counted_in(origins, way, &[]).rust
}

/// Instructions of a server in this environment, from its start to its end. It has one worker, so that nothing depends on
/// which worker gets a connection.
fn counted_in(origins: &Origins, way: Option<Way>, environment: &[(&str, &str)]) -> Counted {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let profile = folder.path().join("profile");
    let out = format!("--callgrind-out-file={}", profile.display());
    let core = first_core();
    let credential = Credential::key(ALIAS, KEY, &["localhost:*", "http://localhost:*"]);
    let builder = Appliance::builder()
        .server()
        .credential(credential)
        .role("guard", "execute", "")
        .key("guard", "guard")
        .set("rate_limits.proxy", "0")
        .sections(POLICY)
        .program(&program())
        .through(&["taskset", "--cpu-list", &core, "valgrind", "--tool=callgrind", "--demangle=no", &out]);
    let builder = environment.iter().fold(builder, |it, (name, value)| it.env(name, value));
    let mut appliance = origins.settings(builder).start();
    origins.ask(&appliance, way);
    assert!(appliance.end().success(), "{}", appliance.printed());
    let text = fs::read_to_string(&profile).unwrap();
    counted(&text).unwrap_or_else(|error| panic!("{}: {error}", profile.display()))
}

/// The first core that this process may use.
fn first_core() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let cores = status.lines().find_map(|it| it.strip_prefix("Cpus_allowed_list:")).unwrap().trim();
    cores.split(['-', ',']).next().unwrap().to_owned()
}

fn version(tool: &str) -> String {
    run(Command::new(tool).arg("--version"), "").expect_success().lines().next().unwrap().to_owned()
}
