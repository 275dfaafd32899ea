//! `vultrino mcp install`: what each client's file gets, what stays as it was, and where no key ever stands.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::cli::home::{BINARY, Home, PASSWORD, Ran, mode};

const KEY: &str = "vk_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P";
const OTHER_KEY: &str = "vk_Z0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5";
const URL: &str = "http://127.0.0.1:7878";

/// A client, its file, and under what servers stand there.
#[cfg(target_os = "linux")]
const CLIENTS: [(&str, &str, &str); 8] = [
    ("claude-code", ".claude.json", "mcpServers"),
    ("claude-desktop", ".config/Claude/claude_desktop_config.json", "mcpServers"),
    ("codex", ".codex/config.toml", "mcp_servers"),
    ("cursor", ".cursor/mcp.json", "mcpServers"),
    ("gemini", ".gemini/settings.json", "mcpServers"),
    ("vscode", ".config/Code/User/mcp.json", "servers"),
    ("windsurf", ".codeium/windsurf/mcp_config.json", "mcpServers"),
    ("zed", ".config/zed/settings.json", "context_servers"),
];

fn install(home: &Home, arguments: &[&str], key: Option<&str>) -> Ran {
    let mut command = home.command(&[&["mcp", "install"], arguments].concat());
    Ran::of(command.env_remove("VULTRINO_PASSWORD").envs(key.map(|it| ("VULTRINO_API_KEY", it))))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// What a file of either syntax says.
fn meaning(path: &Path) -> Value {
    let text = read(path);
    match path.extension().unwrap().to_str() {
        Some("toml") => serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap(),
        _ => serde_json::from_str(&text).unwrap(),
    }
}

/// The backups of a file.
fn kept(file: &Path) -> Vec<PathBuf> {
    let begin = format!("{}.bak-", file.file_name().unwrap().display());
    let all = fs::read_dir(file.parent().unwrap()).unwrap().map(|it| it.unwrap().path());
    let mut kept: Vec<_> = all.filter(|it| it.file_name().unwrap().display().to_string().starts_with(&begin)).collect();
    kept.sort();
    kept
}

#[test]
#[cfg(target_os = "linux")]
fn a_new_file_starts_the_server_with_the_key_and_is_for_its_owner_alone() {
    let home = Home::configured();
    for (client, file, servers) in CLIENTS {
        let ran = install(&home, &[client], Some(KEY)).ok();
        let path = home.path(file);
        assert!(ran.out.contains(path.to_str().unwrap()), "{ran:#?}");
        let mut expected = json!({"command": BINARY, "args": ["mcp", "--url", URL], "env": {"VULTRINO_API_KEY": KEY}});
        if ["claude-code", "cursor", "vscode"].contains(&client) {
            expected["type"] = "stdio".into();
        }
        assert_eq!(meaning(&path), json!({servers: {"vultrino": expected}}), "{client}");
        assert_eq!(mode(&path), 0o600, "{client}");
        assert_eq!(kept(&path), <[PathBuf; 0]>::default());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_key_the_client_hands_on_its_environment_where_it_can() {
    let home = Home::configured();
    for (client, file, servers) in CLIENTS {
        install(&home, &[client], None).ok().says("It holds no API key");
        let entry = &meaning(&home.path(file))[servers]["vultrino"];
        let expected = match client {
            "claude-code" => json!({"VULTRINO_API_KEY": "${VULTRINO_API_KEY:-}"}),
            "gemini" => json!({"VULTRINO_API_KEY": "${VULTRINO_API_KEY}"}),
            "cursor" | "vscode" | "windsurf" => json!({"VULTRINO_API_KEY": "${env:VULTRINO_API_KEY}"}),
            _ => Value::Null,
        };
        assert_eq!(entry["env"], expected, "{client}");
        let listed = if client == "codex" { json!(["VULTRINO_API_KEY"]) } else { Value::Null };
        assert_eq!(entry["env_vars"], listed, "{client}");
    }
    install(&home, &["claude-desktop", "--name", "b"], None).ok().says("hands none on");
}

#[test]
fn what_else_stands_in_a_file_stays_byte_for_byte() {
    let entry = |indent: &str, comma: &str| {
        let lines = [
            "\"vultrino\": {".to_owned(),
            "  \"type\": \"stdio\",".to_owned(),
            format!("  \"command\": \"{BINARY}\","),
            format!("  \"args\": [\"mcp\", \"--url\", \"{URL}\"],"),
            "  \"env\": {".to_owned(),
            format!("    \"VULTRINO_API_KEY\": \"{KEY}\"{comma}"),
            format!("  }}{comma}"),
            format!("}}{comma}"),
        ];
        lines.map(|it| format!("{indent}{it}")).join("\n")
    };
    let odd = "{\n  \"z\": 1.50e3, \"a\":\"\\u00e9é\",\n\n  \"mcpServers\": {\n    \"o\": {\"command\" : \"x\"}\n  },\n  \
               \"end\": [ ]\n}";
    let with_comments = "// mine\n{\n  \"inputs\": [], /* none */\n  \"servers\": {\n    // first\n    \"o\": \
                         {\"command\": \"x\"},\n  },\n}\n";
    let toml = "# mine\nmodel = \"x\"   # keep\n\n[mcp_servers.docs]\ncommand = 'npx' # why\n\n[profiles.a]\nb={c=1}\n# \
                the end\n";
    let lines = format!(
        "\n[mcp_servers.vultrino]\ncommand = \"{BINARY}\"\nargs = [\"mcp\", \"--url\", \"{URL}\"]\nenv = {{ \
         VULTRINO_API_KEY = \"{KEY}\" }}\n"
    );
    let inline = |lines: &str| lines.trim().lines().skip(1).collect::<Vec<_>>().join(", ");
    let home = Home::configured();
    for (client, before, after) in [
        ("cursor", odd, odd.replace("\"x\"}", &format!("\"x\"}},\n{}", entry("    ", "")))),
        ("cursor", "{}\n", format!("{{\n  \"mcpServers\": {{\n{}\n  }}\n}}\n", entry("    ", ""))),
        ("vscode", with_comments, with_comments.replace("\"x\"},", &format!("\"x\"}},\n{}", entry("    ", ",")))),
        ("codex", toml, format!("{toml}{lines}")),
        ("codex", "# model = \"x\"", format!("# model = \"x\"\n{lines}")),
        ("codex", "mcp_servers.a.command = 'x'\n", format!("mcp_servers.a.command = 'x'\n{lines}")),
        (
            "codex",
            "mcp_servers = { a = { command = 'x' }} # one\n",
            format!("mcp_servers = {{ a = {{ command = 'x' }}, vultrino = {{ {} }} }} # one\n", inline(&lines)),
        ),
    ] {
        let file = home.write("any", before);
        install(&home, &[client, "--file", "any"], Some(KEY)).ok();
        assert_eq!(read(&file), after, "{client}");
    }
}

#[test]
fn what_was_there_is_kept_and_a_second_run_changes_nothing() {
    let home = Home::configured();
    let before = "{\"mcpServers\": {\"o\": {\"env\": {\"TOKEN\": \"secret of another\"}}}}";
    let file = home.write(".cursor/mcp.json", before);
    install(&home, &["cursor"], Some(KEY)).ok().says(kept(&file)[0].to_str().unwrap());
    assert_eq!((read(&kept(&file)[0]), mode(&kept(&file)[0])), (before.to_owned(), 0o600));

    let inode = fs::metadata(&file).unwrap().ino();
    let ran = install(&home, &["cursor"], Some(KEY)).ok();
    assert!(ran.out.contains("Nothing to do"), "{ran:#?}");
    assert_eq!((fs::metadata(&file).unwrap().ino(), kept(&file).len()), (inode, 1));

    install(&home, &["cursor", "--force"], Some(OTHER_KEY)).ok();
    install(&home, &["cursor", "--force"], Some(KEY)).ok();
    assert_eq!(kept(&file).len(), 3);
}

#[test]
fn another_entry_of_that_name_is_replaced_only_by_force() {
    let home = Home::configured();
    let toml = "[mcp_servers.a]\ncommand = \"x\"\n\n# the old way\n[mcp_servers.vultrino]\ncommand = \"vultrino\"\n\
                [mcp_servers.vultrino.env]\nVULTRINO_PASSWORD = \"open-sesame\"\n\n[mcp_servers.b]\ncommand = \"y\"\n";
    let json = "{\"mcpServers\": {\"vultrino\": {\"command\": \"vultrino\", \"env\": {\"VULTRINO_PASSWORD\": \
                \"open-sesame\"}}, \"b\": {}}}";
    for (client, before) in [("codex", toml), ("windsurf", json)] {
        let file = home.write("any", before);
        let ran =
            install(&home, &[client, "--file", "any"], Some(KEY)).fails_with(1).says("has another entry vultrino");
        assert!(ran.err.contains("--force") && !ran.err.contains("open-sesame"), "{ran:#?}");
        assert_eq!(read(&file), before);

        install(&home, &[client, "--file", "any", "--name", "second"], Some(KEY)).ok();
        assert!(read(&file).contains("open-sesame") && read(&file).contains("second"), "{client}");

        fs::write(&file, before).unwrap();
        let ran = install(&home, &[client, "--file", "any", "--force"], Some(KEY)).ok();
        assert!(ran.out.starts_with("Replaced vultrino in "), "{ran:#?}");
        let after = read(&file);
        assert!(!after.contains("open-sesame") && after.contains(KEY), "{after}");
        let place = |name: &str| after.find(name).unwrap();
        assert!(place("vultrino") < place(if client == "codex" { ".b]" } else { "\"b\"" }), "{after}");
        assert!(client != "codex" || after.contains("# the old way\n[mcp_servers.vultrino]\n"), "{after}");
    }
}

#[test]
fn a_file_that_cannot_be_understood_is_left_alone_and_the_entry_is_shown() {
    let home = Home::configured();
    for (client, before, place) in [
        ("cursor", "{\n  \"a\": \"mine-alone\",\n  // why\n  \"b\": 1\n}\n", "line 3 is not JSON"),
        ("cursor", "{\n  \"a\": \"mine-alone\",\n}\n", "line 3 is not JSON"),
        ("cursor", "[\"mine-alone\"]\n", "mcpServers is not"),
        ("claude-code", "{\"mcpServers\": [\"mine-alone\"]}", "mcpServers is not"),
        ("zed", "{\n  // fine\n  \"a\": \"mine-alone\"\n  \"b\": 1\n}\n", "line 3 is not JSON with comments"),
        ("codex", "a = \"mine-alone\"\nb = \n", "line 2 is not TOML"),
        ("codex", "mcp_servers = \"mine-alone\"\n", "mcp_servers is not"),
    ] {
        let file = home.write("any", before);
        let ran = install(&home, &[client, "--file", "any"], Some(KEY)).fails_with(1).says(place);
        let help = [file.to_str().unwrap(), "add this to it by hand", BINARY, "vk_…"];
        assert!(help.iter().all(|it| ran.err.contains(it)) && !ran.err.contains("mine-alone"), "{ran:#?}");
        assert!(!ran.err.contains(KEY), "{ran:#?}");
        assert_eq!(read(&file), before);
        assert_eq!(kept(&file), <[PathBuf; 0]>::default());
    }
    fs::write(home.path("any"), b"{\"a\": \"\xff\"}").unwrap();
    install(&home, &["cursor", "--file", "any"], None).fails_with(1).says("cannot read");
}

#[test]
fn print_writes_nothing_and_shows_no_key() {
    let home = Home::configured();
    for (key, arguments, shown) in [
        (Some(KEY), &["cursor", "--print"][..], "\"vk_…\""),
        (None, &["cursor", "--print"], "\"${env:VULTRINO_API_KEY}\""),
        (None, &["cursor", "--print", "--key-stdin"], "\"vk_…\""),
        (Some(KEY), &["codex", "--print"], "env = { VULTRINO_API_KEY = \"vk_…\" }\n"),
        (Some(KEY), &["cursor", "--print", "--project"], "\"${env:VULTRINO_API_KEY}\""),
    ] {
        let ran = install(&home, arguments, key).ok();
        assert!(ran.out.contains(shown) && !ran.out.contains(KEY) && ran.err.is_empty(), "{ran:#?}");
        match arguments[0] {
            "codex" => drop(ran.out.parse::<toml::Table>().unwrap()),
            _ => drop(serde_json::from_str::<Value>(&ran.out).unwrap()),
        }
    }
    assert!([".cursor", ".codex"].iter().all(|it| !home.path(it).exists()));
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_changed() {
    let home = Home::configured();
    let file = home.write("dotfiles/cursor.json", "{}\n");
    fs::create_dir(home.path(".cursor")).unwrap();
    let link = home.path(".cursor/mcp.json");
    symlink(&file, &link).unwrap();
    install(&home, &["cursor"], Some(KEY)).ok();
    assert!(link.is_symlink() && read(&file).contains(KEY));
    assert_eq!((mode(&file), kept(&file).len(), kept(&link).len()), (0o600, 1, 0));

    fs::remove_file(&file).unwrap();
    install(&home, &["cursor"], Some(KEY)).fails_with(1).says("cannot follow");
    assert!(link.is_symlink() && !file.exists());
}

#[test]
fn an_open_file_is_closed_when_a_key_goes_into_it_and_only_then() {
    let home = Home::configured();
    let file = home.write(".cursor/mcp.json", "{}");
    fs::set_permissions(&file, PermissionsExt::from_mode(0o664)).unwrap();
    install(&home, &["cursor"], None).ok();
    assert_eq!((mode(&file), mode(&kept(&file)[0])), (0o664, 0o600));
    install(&home, &["cursor", "--force"], Some(KEY)).ok().says("others could read it, and no longer can");
    assert_eq!(mode(&file), 0o600);

    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    install(&home, &["cursor"], Some(KEY)).ok().says("warning: ").says("chmod 600");
    assert_eq!(mode(&file), 0o644);
}

#[test]
fn the_key_is_told_nowhere_but_in_the_file() {
    let home = Home::configured();
    let mut seen = vec![home.run_with_input(&["-vv", "mcp", "install", "cursor", "--key-stdin"], KEY).ok()];
    assert!(read(&home.path(".cursor/mcp.json")).contains(KEY));
    for arguments in [&["cursor"][..], &["cursor", "--json"], &["codex", "--json"], &["zed"], &["zed", "--force"]] {
        let mut command = home.command(&[&["-vv", "mcp", "install"], arguments].concat());
        seen.push(Ran::of(command.env("RUST_LOG", "trace").env("VULTRINO_API_KEY", KEY)).ok());
    }
    // There is no option that would take it from the command line.
    seen.push(home.run(&["mcp", "install", "cursor", "--key", KEY]).fails_with(2));
    assert!(seen[..6].iter().all(|ran| !ran.out.contains(KEY) && !ran.err.contains(KEY)), "{seen:#?}");
}

#[test]
fn the_storage_password_is_never_written() {
    let home = Home::set_up();
    for (client, file, _) in CLIENTS {
        install(&home, &[client], Some(KEY)).ok();
        assert!(!read(&home.path(file)).contains(PASSWORD), "{client}");
        // Not by mistake, either.
        let ran = home.run_with_input(&["mcp", "install", client, "--force", "--key-stdin"], PASSWORD);
        assert!(!ran.err.contains(PASSWORD), "{ran:#?}");
        ran.fails_with(2).says("this is no API key");
        assert!(read(&home.path(file)).contains(KEY), "{client}");
    }
    for wrong in ["", "vk_short", &format!("{KEY}x")] {
        home.run_with_input(&["mcp", "install", "cursor", "--force", "--key-stdin"], wrong).fails_with(2);
    }
}

#[test]
fn the_file_of_a_project_never_gets_a_key_and_names_no_path() {
    let home = Home::configured();
    for (client, file, servers) in [
        ("claude-code", ".mcp.json", "mcpServers"),
        ("cursor", ".cursor/mcp.json", "mcpServers"),
        ("gemini", ".gemini/settings.json", "mcpServers"),
        ("vscode", ".vscode/mcp.json", "servers"),
    ] {
        install(&home, &[client, "--project"], Some(KEY)).ok().says("a key of their own");
        let text = read(&home.path(file));
        assert!(text.contains("VULTRINO_API_KEY}") || text.contains("VULTRINO_API_KEY:-}"), "{text}");
        assert!(!text.contains(KEY), "{text}");
        assert_eq!(meaning(&home.path(file))[servers]["vultrino"]["command"], "vultrino");
        install(&home, &[client, "--project", "--key-stdin"], None).fails_with(2);
    }
    for client in ["claude-desktop", "codex", "windsurf", "zed"] {
        install(&home, &[client, "--project"], None).fails_with(2).says("no file in the folder of a project");
    }
}

#[test]
fn the_address_is_the_configured_one_unless_another_is_named() {
    let home = Home::empty();
    let config = ".config/vultrino/config.toml";
    let url = |more: &[&str]| {
        let ran = install(&home, &[&["zed", "--print"], more].concat(), None).ok();
        let entry: Value = serde_json::from_str(&ran.out).unwrap();
        entry["context_servers"]["vultrino"]["args"][2].as_str().unwrap().to_owned()
    };
    assert_eq!(url(&[]), URL);
    for (bind, reached) in
        [("127.0.0.1:9000", "127.0.0.1:9000"), ("0.0.0.0:9001", "127.0.0.1:9001"), ("[::]:9002", "[::1]:9002")]
    {
        home.write(config, &format!("[server]\nmode = \"server\"\nbind = \"{bind}\"\n"));
        assert_eq!(url(&[]), format!("http://{reached}"));
    }
    home.write(config, "[server\n");
    assert_eq!(url(&["--url", "https://vultrino.example/a"]), "https://vultrino.example/a");
    install(&home, &["zed", "--print"], None).fails_with(1).says("not TOML");
    for wrong in ["127.0.0.1:7878", "http://vk_a@127.0.0.1:7878", "ftp://a.example"] {
        install(&home, &["zed", "--print", "--url", wrong], None).fails_with(2);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn files_lie_where_the_variables_of_the_clients_say() {
    let home = Home::configured();
    for (client, variable, file) in [
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("claude-desktop", "XDG_CONFIG_HOME", "Claude/claude_desktop_config.json"),
        ("vscode", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
        ("zed", "XDG_CONFIG_HOME", "zed/settings.json"),
    ] {
        let folder = home.path(client);
        Ran::of(home.command(&["mcp", "install", client]).env(variable, &folder)).ok();
        assert!(folder.join(file).exists(), "{client}");
    }
    let mut command = home.command(&["mcp", "install", "cursor"]);
    command.env_remove("HOME").env("VULTRINO_DATA_DIR", home.path("data"));
    Ran::of(&mut command).fails_with(2).says("--file");
}

#[test]
#[cfg(target_os = "linux")]
fn without_a_client_they_are_listed_with_their_files() {
    let home = Home::empty();
    let ran = home.run(&["mcp", "install"]).ok();
    let listed = home.json(&["mcp", "install", "--json"]);
    for (at, (client, file, _)) in CLIENTS.iter().enumerate() {
        let path = home.path(file).display().to_string();
        assert!(ran.out.lines().any(|it| it.starts_with(client) && it.ends_with(&path)), "{}", ran.out);
        assert_eq!((&listed[at]["client"], &listed[at]["file"]), (&json!(client), &json!(path)));
    }
    home.run(&["mcp", "install", "emacs"]).fails_with(2).says("claude-code, claude-desktop, codex");
    home.run(&["mcp", "install", "--force"]).fails_with(2);
    home.run(&["mcp", "--url", URL, "install"]).fails_with(2);
    for wrong in ["", "a b", "a.b", "\"", &"x".repeat(65)] {
        home.run(&["mcp", "install", "codex", "--name", wrong]).fails_with(2);
    }
}

#[test]
fn json_says_what_was_done() {
    let home = Home::configured();
    let file = home.path(".cursor/mcp.json").display().to_string();
    let done = |action: &str, holds_key: bool, backup: Value| {
        json!({"client": "cursor", "name": "vultrino", "file": file, "action": action, "holds_key": holds_key,
            "backup": backup})
    };
    let install = |arguments: &[&str], key| -> Value {
        let ran = install(&home, &[&["cursor", "--json"], arguments].concat(), key).ok();
        assert_eq!(ran.err, "");
        serde_json::from_str(&ran.out).unwrap()
    };
    assert_eq!(install(&[], None), done("added", false, Value::Null));
    assert_eq!(install(&[], None), done("unchanged", false, Value::Null));
    let replaced = install(&["--force"], Some(KEY));
    let backup = kept(&home.path(".cursor/mcp.json"))[0].display().to_string();
    assert_eq!(replaced, done("replaced", true, backup.into()));
}
