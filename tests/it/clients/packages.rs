//! Package managers, each with an index of one package that only the credential opens.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::json;

use crate::{
    clients::{Row, SERVER, python, seat::Seat, version_of},
    support::process::run,
};

pub(super) fn rows() -> [Row; 4] {
    [
        Row {
            client: "pip",
            trust: "PIP_CERT",
            host: "pip.example.com",
            address: SERVER,
            version: || python::package("pip"),
            run: pip,
        },
        Row {
            client: "npm",
            trust: "npm_config_cafile",
            host: "npm.example.com",
            address: SERVER,
            version: || version_of("npm", &["--version"], ""),
            run: npm,
        },
        Row {
            client: "cargo",
            trust: "CARGO_HTTP_CAINFO",
            host: "cargo.example.com",
            address: SERVER,
            version: || version_of(CARGO, &["--version"], "cargo "),
            run: cargo,
        },
        Row {
            client: "apt",
            trust: "Acquire::https::CAInfo",
            host: "apt.example.com",
            address: SERVER,
            version: || version_of("apt-get", &["--version"], "apt "),
            run: apt,
        },
    ]
}

/// The folder of a host's files, with this one in it.
fn publish(seat: &Seat<'_>, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let file = seat.origin.files.join(seat.host).join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, content).unwrap();
    file
}

/// Runs a program that makes a package, outside of the client's reach.
fn make(folder: &Path, program: impl AsRef<Path>, arguments: &[&str]) {
    let mut command = Command::new(program.as_ref());
    run(command.args(arguments).current_dir(folder), "").expect_success();
}

fn sha256(file: &Path) -> String {
    let sum = digest(&SHA256, &fs::read(file).unwrap());
    sum.as_ref().iter().fold(String::new(), |text, it| text + &format!("{it:02x}"))
}

fn pip(seat: &Seat<'_>) -> String {
    const WHEEL: &str = "hello-1.0.0-py3-none-any.whl";
    publish(seat, "simple/hello/index.html", format!("<a href=\"../../{WHEEL}\">{WHEEL}</a>"));
    let folder = publish(seat, "wheel/hello.py", "print('whole')\n");
    let folder = folder.parent().unwrap();
    let info = "wheel/hello-1.0.0.dist-info";
    publish(seat, &format!("{info}/METADATA"), "Metadata-Version: 2.1\nName: hello\nVersion: 1.0.0\n");
    publish(seat, &format!("{info}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    publish(seat, &format!("{info}/RECORD"), "");
    let zip = format!("../{WHEEL}");
    make(folder, python::interpreter(), &["-m", "zipfile", "-c", &zip, "hello.py", "hello-1.0.0.dist-info"]);
    let mut command = seat.client(python::interpreter());
    let index = seat.url("/simple/");
    seat.run(command.args(["-m", "pip", "install", "-q", "--no-input", "--target", "here", "-i", &index, "hello"]), "");
    assert_eq!(seat.run(seat.command(python::interpreter()).arg("here/hello.py"), ""), "whole\n");
    String::new()
}

fn npm(seat: &Seat<'_>) -> String {
    let package = json!({ "name": "hello", "version": "1.0.0", "main": "hello.js" });
    let folder = publish(seat, "package/package.json", package.to_string());
    publish(seat, "package/hello.js", "console.log('whole');\n");
    make(folder.parent().unwrap().parent().unwrap(), "tar", &["czf", "hello-1.0.0.tgz", "package"]);
    let mut versions = json!({ "1.0.0": package });
    versions["1.0.0"]["dist"] = json!({ "tarball": seat.url("/hello-1.0.0.tgz") });
    let index = json!({ "name": "hello", "dist-tags": { "latest": "1.0.0" }, "versions": versions });
    publish(seat, "hello", index.to_string());
    let registry = format!("--registry={}", seat.url("/"));
    let mut command = seat.client("npm");
    seat.run(command.args(["install", "--loglevel=error", "--no-audit", "--no-fund", &registry, "hello"]), "");
    let hello = "node_modules/hello/hello.js";
    assert_eq!(seat.run(seat.command("node").arg(hello), ""), "whole\n");
    String::new()
}

const CARGO: &str = env!("CARGO");

fn cargo(seat: &Seat<'_>) -> String {
    let manifest = |name: &str, more: &str| {
        format!("[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n{more}")
    };
    let folder = publish(seat, "hello-1.0.0/Cargo.toml", manifest("hello", ""));
    publish(seat, "hello-1.0.0/src/lib.rs", "pub const HELLO: &str = \"whole\";\n");
    let folder = folder.parent().unwrap().parent().unwrap();
    make(folder, "tar", &["czf", "hello-1.0.0.crate", "hello-1.0.0"]);
    let sum = sha256(&folder.join("hello-1.0.0.crate"));
    publish(seat, "index/config.json", json!({ "dl": seat.url("/{crate}-{version}.crate") }).to_string());
    let line = json!({ "name": "hello", "vers": "1.0.0", "deps": [], "cksum": sum, "features": {}, "yanked": false });
    publish(seat, "index/he/ll/hello", line.to_string() + "\n");

    let project = seat.home().join("project");
    fs::create_dir_all(project.join("src")).unwrap();
    let index = format!("sparse+{}", seat.url("/index/"));
    let more = format!("[dependencies]\nhello = {{ version = \"1\", registry-index = \"{index}\" }}\n");
    fs::write(project.join("Cargo.toml"), manifest("project", &more)).unwrap();
    fs::write(project.join("src/main.rs"), "fn main() { println!(\"{}\", hello::HELLO); }\n").unwrap();
    let mut command = seat.client(CARGO);
    let rustc = Path::new(CARGO).with_file_name("rustc");
    let said = seat.run(command.env("RUSTC", rustc).args(["run", "-q"]).current_dir(project), "");
    assert_eq!(said, "whole\n");
    String::new()
}

fn apt(seat: &Seat<'_>) -> String {
    let control =
        "Package: hello\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: hello\n";
    let folder = publish(seat, "package/DEBIAN/control", control);
    publish(seat, "package/usr/share/hello", "whole\n");
    let folder = folder.ancestors().nth(3).unwrap();
    fs::create_dir_all(folder.join("stable")).unwrap();
    make(folder, "dpkg-deb", &["-b", "--root-owner-group", "package", "stable/hello.deb"]);
    let deb = folder.join("stable/hello.deb");
    let size = fs::metadata(&deb).unwrap().len();
    let packages = format!("{control}Filename: stable/hello.deb\nSize: {size}\nSHA256: {}\n", sha256(&deb));
    let packages = publish(seat, "stable/Packages", packages);
    let (sum, size) = (sha256(&packages), fs::metadata(&packages).unwrap().len());
    publish(seat, "stable/Release", format!("Suite: stable\nSHA256:\n {sum} {size} Packages\n"));

    fs::create_dir_all(seat.home().join("lists/partial")).unwrap();
    fs::create_dir_all(seat.home().join("cache/archives/partial")).unwrap();
    fs::write(seat.home().join("status"), "").unwrap();
    fs::write(seat.home().join("sources.list"), format!("deb [trusted=yes] {} stable/\n", seat.url(""))).unwrap();
    let (home, ca) = (seat.home().display(), seat.ca());
    // Nothing of the system's own settings: they may tidy up its folders.
    let settings = format!(
        "Dir::Etc {{ Main \"\"; Parts \"\"; SourceList \"{home}/sources.list\"; SourceParts \"\"; }};\n\
         Dir::State {{ Lists \"{home}/lists\"; Status \"{home}/status\"; }};\n\
         Dir::Cache \"{home}/cache\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::https::CAInfo \"{}\";\n",
        ca.display()
    );
    fs::write(seat.home().join("apt.conf"), settings).unwrap();
    let apt = |arguments: &[&str]| {
        let mut command = seat.command("apt-get");
        seat.run(command.env("APT_CONFIG", seat.home().join("apt.conf")).arg("-q").args(arguments), "")
    };
    apt(&["update"]);
    apt(&["download", "hello"]);
    let unpacked = seat.home().join("unpacked");
    let deb = seat.home().join("hello_1.0_all.deb");
    run(Command::new("dpkg-deb").arg("-x").args([&deb, &unpacked]), "").expect_success();
    assert_eq!(fs::read_to_string(unpacked.join("usr/share/hello")).unwrap(), "whole\n");
    String::new()
}
