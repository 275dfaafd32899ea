//! Settings: where they come from, which wins, and how a wrong one is told.

use std::fs;

use crate::cli::home::{CHEAP, Home, PASSWORD, Ran};

/// Each: the file, the exit code, and what must be said.
const REFUSED: &[(&str, i32, &[&str])] = &[
    ("[server]\nbnd = \"x\"", 1, &["unknown key `server.bnd`", "config.toml:2:1", "─┬─", "did you mean `bind`?"]),
    ("[servr]", 1, &["unknown key `servr`", "did you mean `server`?"]),
    ("[storage.file]\npfad = 1", 1, &["unknown key `storage.file.pfad`", "config.toml:2:1", "path"]),
    ("[server]\nbind = \"0.0.0.0:7878\"", 1, &["loopback only", "config.toml:2:8", "0.0.0.0:7878", "127.0.0.1:7878"]),
    ("[server]\nbind = \"[::]:7878\"", 1, &["loopback only"]),
    ("[server]\nbind = \"example.com:80\"", 1, &["`server.bind` is not valid", "127.0.0.1:7878"]),
    (
        "[server]\nmode = \"local\"\nlocal_auth = \"key\"\nbind = \"0.0.0.0:1\"",
        1,
        &["loopback only", "mode = \"server\""],
    ),
    ("[server]\nmode = \"server\"\nlocal_auth = \"none\"", 1, &["asks every caller for a key", "config.toml:3:14"]),
    ("[server]\nmode = \"remote\"", 1, &["`server.mode` cannot be `remote`", "local, server"]),
    ("[server]\ntimeout = 0", 1, &["at least 1 second", "config.toml:2:11"]),
    ("[server]\nmax_body_size = -1", 1, &["`server.max_body_size` is not valid"]),
    ("[server]\ntimeout = \"30\"", 1, &["expected a whole number"]),
    ("[server]\nallowed_hosts = [\"good.example\", \"a b\"]", 1, &["not a host name", "config.toml:2:34"]),
    ("[server]\nsocket = \"~bob/x\"", 1, &["`~bob` is not expanded", "config.toml:2:10"]),
    ("[server]\nsocket = \"~/.local/share/vultrino/audit.log\"", 1, &["a name of its own"]),
    ("[server]\nlocal_auth = true", 1, &["`server.local_auth` is not valid"]),
    ("[server]\nlocal_auth = \"password\"", 1, &["`server.local_auth` cannot be `password`", "none, key"]),
    ("[storage.file]\nkdf_memory_kib = 19455", 1, &["too weak", "config.toml:2:18"]),
    ("[storage.file]\nkdf_iterations = 1", 1, &["too weak", "config.toml:2:18"]),
    ("[storage.file]\npath = \"~bob/x\"", 1, &["`~bob` is not expanded"]),
    ("[storage]\nbackend = \"keychain\"", 5, &["`storage.backend` is not built yet", "\"file\""]),
    ("[storage]\nbackend = \"vault\"", 5, &["`storage.backend` is not built yet"]),
    ("[logging]\nlevel = \"loud\"", 1, &["`logging.level` cannot be `loud`", "error, warn, info, debug, trace"]),
    ("[logging]\naudit_file = \"~/.local/share/vultrino/credentials.enc\"", 1, &["cannot be the same file"]),
    ("[mcp]\ntransport = \"sse\"", 1, &["`mcp.transport` cannot be `sse`", "known here: stdio, http"]),
    ("[mcp]\nenabld = true", 1, &["unknown key `mcp.enabld`", "did you mean `enabled`?"]),
    ("[upstream]\nallow_private = [\"10.0.0.0/8\", \"0.0.0.0/0\"]", 1, &["too wide", "config.toml:2:32"]),
    ("[upstream]\nallow_private = [\"10.1.2.3/8\"]", 1, &["write `10.0.0.0/8`"]),
    ("[upstream]\nproxy = \"proxy:3128\"", 1, &["`upstream.proxy` is not valid: it must begin with http://"]),
    ("[upstream]\nproxy = \"http://proxy:3128/x\"", 1, &["nothing can follow its host and port", "config.toml:2:9"]),
    ("[upstream]\nno_proxy = [\"x\", \".corp\"]", 1, &["all names of a domain (*.example)", "config.toml:2:18"]),
    ("[proxy]\nintercept = \"some\"", 1, &["`proxy.intercept` cannot be `some`", "all, bound, off"]),
    (
        "[proxy]\ntunnel_hosts = [\"a.example\", \"b.example:443\"]",
        1,
        &["`b.example:443`", "without a port", "config.toml:2:30"],
    ),
    ("[proxy]\ntunnel_hosts = [\"*\"]", 1, &["`*`", "`*.example.com`"]),
    ("[proxy]\ntunnel_hosts = [\"*.com\"]", 1, &["`*.com`"]),
    ("[proxy]\nconnect_ports = [443, 70000]", 1, &["up to 65535", "config.toml:2:23"]),
    ("[proxy]\nconnect_ports = [0]", 1, &["0 is not a port"]),
    ("[proxy]\nunmatched = \"drop\"", 1, &["`proxy.unmatched` cannot be `drop`", "forward, deny"]),
    ("[proxy]\nstrip_headers = [\"a b\"]", 1, &["not the name of a header field"]),
    ("[proxy]\ninject_headers = { \"Host\" = \"x\" }", 1, &["`Host` belongs to the connection"]),
    ("[proxy]\ninject_headers = { \"X-Vultrino-A\" = \"x\" }", 1, &["never goes upstream"]),
    ("[proxy]\ninject_headers = { \"A\" = \"x\\r\\nB: y\" }", 1, &["plain ASCII"]),
    ("[web]\nbind = \"127.0.0.1:7879\"", 1, &["`web` is not built yet"]),
    ("[limits]\nheader_timeout = 0", 1, &["`limits.header_timeout` is not valid", "at least 1 second"]),
    ("[limits]\nconnections = 0", 1, &["`limits.connections` is not valid", "at least 1"]),
    ("[limits]\nrequests = 50001", 1, &["`limits.requests` is not valid", "from 1 to 50000"]),
    ("[limits]\nstreams = 0", 1, &["`limits.streams` is not valid", "at least 1"]),
    ("[limits]\nheader_bytes = 65537", 1, &["`limits.header_bytes` is not valid", "from 1024 to 65536 bytes"]),
    ("[limits]\nidle = 5", 1, &["unknown key `limits.idle`", "did you mean `idle_timeout`?"]),
    ("[rate_limits]\nproxy = -1", 1, &["`rate_limits.proxy` is not valid", "up to 4294967295"]),
    ("[rate_limits]\nproxies = 1", 1, &["unknown key `rate_limits.proxies`", "did you mean `proxy`?"]),
    ("[ca]\nleaf_hours = 1", 1, &["`ca` is not built yet"]),
    ("server = 5", 1, &["expected a section"]),
    ("[server]\nbind = ", 1, &["this is not TOML", "config.toml:2:6", "─"]),
    (
        "[server]\nmode = \"local\"\nmode = \"local\"",
        1,
        &["`server.mode` is set in line 2 and again in line 3", "config.toml:3:1", "into line 2, and remove this line"],
    ),
    (
        "# mine\n[server]\n[mcp]\n\n# pasted\n[server]\nmode = \"server\"",
        1,
        &["the section [server] begins in line 2 and again in line 6", "config.toml:6:", "the section in line 2"],
    ),
    (
        "[storage.file]\npath = \"a\"\n[storage . 'file']\npath = \"b\"",
        1,
        &["[storage.file] begins in line 1 and again in line 3"],
    ),
    (
        "storage.backend = \"file\"\nstorage.backend = \"file\"",
        1,
        &["`storage.backend` is set in line 1 and again in line 2"],
    ),
    (
        "[[policies]]\nname = \"a\"\n[[policies]]\nname = \"b\"\nname = \"c\"",
        1,
        &["`policies.name` is set in line 4 and again in line 5"],
    ),
];

#[test]
fn whatever_is_wrong_in_a_file_is_underlined_and_explained() {
    let home = Home::empty();
    for (text, code, expected) in REFUSED {
        home.write("config.toml", text);
        let ran = home.run(&["--config", "config.toml", "config", "check"]);
        assert_eq!(ran.code, *code, "{text}\n{ran:#?}");
        let unwrapped = ran.err.replace("\n  │ ", " ");
        for part in *expected {
            assert!(unwrapped.contains(part), "no {part:?} for {text}\n{}", ran.err);
        }
        assert_eq!(ran.out, "");
    }
}

#[test]
fn the_password_of_a_proxy_is_in_no_error() {
    let home = Home::empty();
    for text in [
        "[upstream]\nproxy = \"http://u:xyzzy42@h@p:1\"",
        "[upstream]\nproxy = \"u:xyzzy42@p:1\"",
        "[upstream]\nproxy = \"http://u:xyz\"zy42@p:1\"",
        "[upstream]\nproxy = [\"http://u:xyzzy42@p:1\"]",
        "[upstream]\nproxy = { url = \"http://u:xyzzy42@p:1\" }",
        "[upstream]\nproxi = \"http://u:xyzzy42@p:1\"",
        "[upstream]\nproxy = \"\"\"http://u:xyzzy42\n@p:1\"\"\"",
        "upstream = { connect_timeout = 0, proxy = \"http://u:xyzzy42@p:1\" }",
        "upstream = { proxy = \"http://u:xyzzy42@p:1\", connect_timeout = \"x\" }",
        "upstream = { proxy = \"http://u:xyzzy42@p:1\", = 1 }",
        "upstream.proxy = \"http://u:xyzzy42",
        "upstream.proxy = http://u:xyzzy42@p:1",
    ] {
        home.write("config.toml", text);
        let ran = home.run(&["--config", "config.toml", "config", "check"]);
        assert_eq!(ran.code, 1, "{text}\n{ran:#?}");
        assert!(!ran.err.contains("xyz") && !ran.err.contains("zy42"), "{text}\n{}", ran.err);
    }
}

/// As it stands in the documentation.
const DOCUMENTED: &str = r#"# Vultrino Configuration
[server]
bind = "127.0.0.1:7878"
mode = "local"
local_auth = "none"
socket = ""
timeout = 30 # Request timeout in seconds
max_body_size = 10485760 # 10MB max request body
[storage]
backend = "file"
[storage.file]
path = "~/.local/share/vultrino/credentials.enc"
[logging]
level = "info"
# audit_file = "~/.local/share/vultrino/audit.log"
[mcp]
enabled = true
transport = "stdio"
[proxy]
strip_headers = [ # Headers to remove before forwarding
"X-Vultrino-Credential",
"X-Vultrino-Policy",
]
inject_headers = { # Headers to add to all requests
"X-Forwarded-By" = "vultrino"
}
intercept = "all"
tunnel_hosts = []
[upstream]
allow_private = ["127.0.0.0/8", "fd00::/8", "10.1.2.3"]
ca_file = ""
proxy = ""
no_proxy = []
connect_timeout = 10
[rate_limits]
proxy = 0
management = 100
auth_failures = 10
"#;

#[test]
fn the_documented_file_is_accepted() {
    let home = Home::empty();
    home.write("config.toml", DOCUMENTED);
    let checked = home.run(&["--config", "config.toml", "config", "check"]).ok().out;
    assert_eq!(checked, format!("{} is valid, with no policies\n", home.path("config.toml").display()));
    let missing = home.run(&["--config", "config.toml", "list"]).fails_with(5);
    missing.says("there is no credential store at").says(home.store().to_str().unwrap());
}

#[test]
fn the_value_of_an_unknown_key_is_not_repeated() {
    let home = Home::empty();
    for text in [
        "[storage]\npassword = \"canary\"",
        "[upstream]\nproxxy = \"http://user:canary@proxy\"",
        "token = \"canary\"\n[server]\nbnd = 1",
        "[proxy]\ninject_headers = { \"X-Token\" = \"canary\" }\n[server]\nbnd = 1",
    ] {
        home.write("config.toml", text);
        let ran = home.run(&["--config", "config.toml", "config", "check"]).fails_with(1);
        assert!(!ran.err.contains("canary"), "{}", ran.err);
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let home = Home::set_up();
    home.run(&["--config", "none.toml", "list"]).fails_with(1).says("none.toml, which --config names, does not exist");
    let ran = Ran::of(home.command(&["list"]).env("VULTRINO_CONFIG", "none.toml"));
    ran.fails_with(1).says("none.toml, which VULTRINO_CONFIG names, does not exist");
    home.run(&["--config", ".", "list"]).fails_with(1).says("cannot read the configuration");
}

#[test]
fn the_flag_wins_over_the_variable_and_the_variable_over_the_home() {
    let home = Home::configured();
    let named = |place: &str| format!("{CHEAP}path = \"{place}/credentials.enc\"\n");
    home.write("flag.toml", &named("of-the-flag"));
    home.write("variable.toml", &named("of-the-variable"));
    let path = |arguments: &[&str], variable: bool| {
        let mut command = home.command(arguments);
        if variable {
            command.env("VULTRINO_CONFIG", "variable.toml");
        }
        Ran::of(&mut command).fails_with(5).err
    };
    assert!(path(&["-c", "flag.toml", "list"], true).contains("of-the-flag/"));
    assert!(path(&["list"], true).contains("of-the-variable/"));
    assert!(path(&["list"], false).contains(".local/share/vultrino/"));
}

#[test]
fn xdg_folders_are_respected() {
    let home = Home::empty();
    home.write("etc/vultrino/config.toml", CHEAP);
    let mut command = home.command(&["init", "--admin-username", "ada"]);
    command.env("XDG_CONFIG_HOME", home.path("etc")).env("XDG_DATA_HOME", home.path("var"));
    Ran::of(command.env("VULTRINO_ADMIN_PASSWORD", "x")).ok();
    assert!(home.path("var/vultrino/credentials.enc").is_file());
    assert!(!home.path(".config").exists() && !home.path(".local").exists());
}

#[test]
fn the_data_folder_follows_the_variable_then_the_store_then_an_old_place() {
    let home = Home::configured();
    let mut elsewhere = home.command(&["init", "--admin-username", "ada"]);
    elsewhere.env("VULTRINO_ADMIN_PASSWORD", "x").env("VULTRINO_DATA_DIR", "data");
    Ran::of(&mut elsewhere).ok();
    assert!(home.path("data/credentials.enc").is_file() && home.path("data/ca.pem").is_file());

    home.write("path.toml", &format!("{CHEAP}path = \"~/vault/my.enc\"\n"));
    home.run_with_input(&["-c", "path.toml", "init", "--admin-username", "ada", "--admin-password-stdin"], "x\n").ok();
    assert!(home.path("vault/my.enc").is_file() && home.path("vault/ca.pem").is_file());

    fs::rename(home.path("data"), home.path(".vultrino")).unwrap();
    home.run(&["list"]).ok();
    let path = home.run(&["ca", "path"]).ok().out;
    assert_eq!(path.trim_end(), home.path(".vultrino/ca.pem").to_str().unwrap());
}

#[test]
fn serve_takes_no_address_that_others_can_reach() {
    let home = Home::set_up();
    let ran = home.run(&["serve", "--bind", "0.0.0.0:0"]).fails_with(1).says("loopback only");
    assert!(!ran.err.contains("config.toml"), "the flag is at fault, not the file: {}", ran.err);
    home.run(&["serve", "--bind", "7878"]).fails_with(2).says("127.0.0.1:7878");
}

#[test]
fn without_a_home_the_variable_that_helps_is_named() {
    let home = Home::empty();
    let mut command = home.command(&["list"]);
    Ran::of(command.env_clear().env("VULTRINO_PASSWORD", PASSWORD)).fails_with(1).says("VULTRINO_DATA_DIR");
}

#[test]
fn the_log_goes_to_stderr_and_rust_log_wins_over_the_file() {
    let home = Home::set_up();
    let quiet = home.run(&["list"]).ok();
    assert!(!quiet.err.contains("configuration read"), "{}", quiet.err);
    home.run(&["-v", "list"]).ok().says("configuration read");
    home.run(&["list", "-v"]).ok().says("configuration read");
    Ran::of(home.command(&["list"]).env("RUST_LOG", "vultrino=debug")).ok().says("configuration read");
    Ran::of(home.command(&["list"]).env("RUST_LOG", "vultrino=nonsense")).ok().says("RUST_LOG is not understood");
}

#[test]
fn a_command_reads_only_the_sections_that_it_needs() {
    let home = Home::set_up();
    home.add("github", &[]).ok();
    home.run(&["role", "create", "ci", "-p", "execute"]).ok();
    home.run(&["key", "create", "k", "-r", "ci"]).ok();
    home.write("policies/bad.toml", "[[policies]]\nname = 5\n");
    let broken = "[policy]\ninclude = [\"~/policies/*.toml\"]\n[server]\ntimeout = 0\n[limits]\nidle = 5\n";
    home.write(".config/vultrino/config.toml", &format!("{CHEAP}{broken}"));
    for command in [
        &["list"][..],
        &["get", "github"],
        &["bind", "github", "api.github.com"],
        &["ca", "path"],
        &["ca", "export"],
        &["role", "list"],
        &["key", "revoke", "vk_"],
        &["audit", "tail"],
        &["audit", "verify"],
    ] {
        let ran = home.run(command);
        assert!(!ran.err.contains("not valid") && !ran.err.contains("config.toml"), "{command:?} {ran:#?}");
    }
    for command in [&["serve"][..], &["request", "github", "https://api.github.com/"], &["policy", "lint"], &["mcp"]] {
        home.run(command).fails_with(1).says("config.toml");
    }
    // Neither what no section has, nor what it needs itself, goes unseen.
    home.write(".config/vultrino/config.toml", "[storag.file]\npath = \"elsewhere\"\n");
    home.run(&["list"]).fails_with(1).says("did you mean `storage`?");
    home.write(".config/vultrino/config.toml", "[storage.file]\npfad = \"elsewhere\"\n");
    home.run(&["key", "list"]).fails_with(1).says("storage.file.pfad");
}

#[test]
fn the_configuration_is_checked_whole_and_without_a_password() {
    let home = Home::empty();
    let check = |more: &[&str]| {
        let mut command = home.command(&[&["config", "check"], more].concat());
        Ran::of(command.env_remove("VULTRINO_PASSWORD"))
    };
    assert!(check(&[]).ok().out.contains("no configuration file"));
    assert_eq!(check(&["--json"]).ok().out.replace([' ', '\n'], ""), r#"{"file":null,"policies":0}"#);
    let policy = "[[policies]]\nname = \"p\"\ncredential_pattern = \"*\"\nrules = []\n";
    let file = home.write(".config/vultrino/config.toml", policy);
    assert_eq!(check(&[]).ok().out, format!("{} is valid, with 1 policy\n", file.display()));
    for (text, code, said) in [
        ("[limits]\nidle = 5\n", 1, "unknown key `limits.idle`"),
        ("[policy]\ninclude = [\"missing/*.toml\"]\n", 1, "does not exist"),
        ("[upstream]\nca_file = \"missing.pem\"\n", 1, "missing.pem"),
        ("[storage]\nbackend = \"vault\"\n", 5, "not built yet"),
    ] {
        home.write(".config/vultrino/config.toml", text);
        check(&[]).fails_with(code).says(said);
        let answer: serde_json::Value = serde_json::from_str(&check(&["--json"]).fails_with(code).out).unwrap();
        assert!(answer["message"].as_str().unwrap().contains(said), "{answer}");
    }
    home.write(".config/vultrino/config.toml", "[limits]\nidle = 5\n");
    let answer: serde_json::Value = serde_json::from_str(&check(&["--json"]).out).unwrap();
    assert_eq!(answer["error"], "invalid_configuration");
    let place = format!("{}:2:1: unknown key", file.display());
    assert!(answer["message"].as_str().unwrap().starts_with(&place), "{answer}");
}
