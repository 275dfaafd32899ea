//! Roles and keys come, are listed, and go; a key is seen once and never again.

use std::{fs, path::Path, thread};

use serde_json::json;
use vultrino::{
    base::{id::Id, secret::Secret},
    identity::ApiKey,
    store::{Change, FileStore},
};

use crate::{
    cli::home::{CHEAP, Home, PASSWORD, Ran},
    support::traces::Traces,
};

/// Creates a key and gives it.
fn create(home: &Home, name: &str, role: &str, more: &[&str]) -> String {
    let ran = home.run(&[&["key", "create", name, "--role", role], more].concat()).ok();
    let key = ran.out.strip_prefix("Created API key: ").unwrap();
    key.strip_suffix("\n\nIMPORTANT: Save this key now. It won't be shown again.\n").unwrap().to_owned()
}

fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|it| it.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect()).collect()
}

/// Changes keys behind the back of the command line.
fn edit(home: &Home, change: impl Fn(&ApiKey) -> Vec<ApiKey>) {
    let store = FileStore::open(&home.store(), &Secret::from(PASSWORD.to_owned())).unwrap();
    let records = store.load().unwrap();
    let changes = records.keys.iter().flat_map(|it| change(&it.facts)).map(Change::PutKey).collect();
    store.apply(changes, records.revision).unwrap();
}

#[test]
fn roles_are_created_listed_shown_and_deleted() {
    let home = Home::set_up();
    home.run(&["role", "list"]).ok().says("No roles yet");
    let created = home.run(&["role", "create", "readonly", "--permissions", "read"]).ok();
    assert_eq!(created.out, "Created role: readonly\n");
    home.run(&["role", "create", "github-user", "-p", "execute,read", "-s", "github-*"]).ok();
    let scopes = ["-s", "*-test,{a,b}-*", "--scopes", "c"];
    home.run(&[&["role", "create", "many", "-p", "read,write,admin", "-d", "for many"], &scopes[..]].concat()).ok();
    let list = home.run(&["role", "list"]).ok().out;
    let expected = [
        ["Name", "Permissions", "Scopes"],
        ["github-user", "read,execute", "github-*"],
        ["many", "read,write,admin", "*-test,{a,b}-*,c"],
        ["readonly", "read", "(all)"],
    ];
    assert_eq!(rows(&list), expected);
    for command in ["get", "info"] {
        let shown = home.run(&["role", command, "github-user"]).ok().out;
        let (head, created) = shown.split_once("Created: ").unwrap();
        assert_eq!(head, "Name: github-user\nPermissions: read, execute\nScopes: github-*\n");
        assert!(created.starts_with("20") && created.ends_with("Z\n"), "{shown}");
    }
    let many = home.run(&["role", "get", "many"]).ok().out;
    assert!(many.contains("\nScopes: *-test, {a,b}-*, c\n") && many.ends_with("\nDescription: for many\n"), "{many}");
    assert!(home.run(&["role", "get", "readonly"]).ok().out.contains("\nScopes: (all)\n"));
    let updated = home.run(&["role", "update", "many", "-p", "read", "-s", "c", "--description", ""]).ok().out;
    assert_eq!(updated, "Updated role: many\n");
    let many = home.run(&["role", "get", "many"]).ok().out;
    assert!(many.starts_with("Name: many\nPermissions: read\nScopes: c\nCreated: "), "{many}");
    assert!(!many.contains("Description"), "{many}");
    home.run(&["role", "update", "many"]).fails_with(2);
    home.run(&["role", "update", "nobody", "-p", "read"]).fails_with(3).says("there is no role `nobody`");
    assert_eq!(home.run(&["role", "delete", "readonly"]).ok().out, "Deleted role: readonly\n");
    home.run(&["role", "get", "readonly"]).fails_with(3).says("there is no role `readonly`");
    home.run(&["role", "delete", "readonly", "--force"]).fails_with(3).says("there is no role `readonly`");
}

#[test]
fn a_role_that_makes_no_sense_is_refused() {
    let home = Home::set_up();
    let role = |more: &[&str]| home.run(&[&["role", "create"], more].concat());
    role(&["ci"]).fails_with(2).says("--permissions <PERMS>");
    role(&["ci", "-p", "read,fly"]).fails_with(2).says("`fly` is no permission");
    role(&["ci", "-p", ""]).fails_with(2);
    for scopes in ["", "a,", "[a]", "**", "{}", "a b", "{a"] {
        role(&["ci", "-p", "read", "-s", scopes]).fails_with(2);
    }
    role(&["c i", "-p", "read"]).fails_with(2).says("not a role name");
    role(&["CI", "-p", "read"]).ok();
    role(&["ci", "-p", "read"]).fails_with(1).says("a role named `CI` exists already");
    assert_eq!(home.json(&["role", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_key_is_created_listed_and_revoked() {
    let home = Home::set_up();
    home.run(&["key", "list"]).ok().says("No API keys yet");
    home.run(&["role", "create", "executor", "-p", "execute"]).ok();
    let key = create(&home, "my app", "executor", &[]);
    assert!(key.len() == 35 && key.starts_with("vk_"), "{key}");
    let other = create(&home, "temp-access", "executor", &["--expires", "2099-02-14"]);
    let list = home.run(&["key", "list"]).ok().out;
    let short = |key: &str| format!("{}...", &key[..7]);
    assert_eq!(
        rows(&list),
        [
            ["Prefix", "Name", "Role", "Expires", "Last Used"],
            [&short(&key), "my app", "executor", "never", "never"],
            [&short(&other), "temp-access", "executor", "2099-02-14", "never"],
        ]
    );
    let revoked = home.run(&["key", "revoke", &key[..11]]).ok().out;
    assert_eq!(revoked, format!("Revoked API key: {}\n", &key[..11]));
    home.run(&["key", "revoke", &key[..11]]).fails_with(3).says("there is no API key");
    let id = home.json(&["key", "list", "--json"])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(home.run(&["key", "revoke", &id]).ok().out, format!("Revoked API key: {}\n", &other[..11]));
    assert_eq!(home.json(&["key", "list", "--json"]), json!([]));
}

#[test]
fn json_of_roles_and_keys_has_the_names_of_the_api() {
    let home = Home::set_up();
    let role = home.json(&["role", "create", "ci", "-p", "read,execute", "-s", "github-*", "-d", "CI", "--json"]);
    let fields = ["created_at", "credential_scopes", "description", "id", "name", "permissions"];
    let mut names: Vec<&String> = role.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, fields);
    assert_eq!(role["permissions"], json!(["read", "execute"]));
    assert_eq!(role["credential_scopes"], json!(["github-*"]));
    assert_eq!(home.json(&["role", "get", "ci", "--json"]), role);
    assert_eq!(home.json(&["role", "list", "--json"]), json!([role]));

    let key = home.json(&["key", "create", "k", "-r", "ci", "-e", "2099-12-31", "--json"]);
    let whole = key["key"].as_str().unwrap();
    assert_eq!(key["key_prefix"], whole[..11]);
    assert_eq!(key["expires_at"], "2099-12-31T23:59:59Z");
    assert_eq!(key["role_id"], role["id"]);
    let listed = &home.json(&["key", "list", "--json"])[0];
    for field in ["id", "name", "key_prefix", "role_id", "expires_at"] {
        assert_eq!(listed[field], key[field], "{field}");
    }
    assert_eq!(
        (&listed["role"], &listed["expired"], &listed["last_used_at"]),
        (&json!("ci"), &json!(false), &json!(null))
    );
    assert_eq!(listed.get("key"), None);
    let by_id = home.json(&["key", "revoke", key["id"].as_str().unwrap(), "--json"]);
    assert_eq!(by_id["key_prefix"], key["key_prefix"]);
    assert_eq!(home.json(&["role", "delete", "ci", "--json"])["id"], role["id"]);
}

#[test]
fn keys_end_when_it_was_said_and_the_list_says_so() {
    let home = Home::set_up();
    home.run(&["role", "create", "r", "-p", "read"]).ok();
    for expires in ["30d", "1y", "7d", "24h", "2w", "2099-12-31", "never"] {
        create(&home, expires, "r", &["-e", expires]);
    }
    for (expires, why) in [
        ("2024-12-31", "over already"),
        ("0d", "over already"),
        ("30", "not a time"),
        ("soon", "not a time"),
        ("99999999999999999999d", "further away"),
    ] {
        home.run(&["key", "create", "k", "-r", "r", "-e", expires]).fails_with(2).says(why);
    }
    home.run(&["key", "create", "k", "-r", "nobody"]).fails_with(3).says("there is no role `nobody`");
    home.run(&["key", "create", "k"]).fails_with(2).says("--role <ROLE>");
    home.run(&["key", "create", "", "-r", "r"]).fails_with(2).says("not a name for a key");
    assert_eq!(home.json(&["key", "list", "--json"]).as_array().unwrap().len(), 7);
    edit(&home, |it| {
        let over = ApiKey { expires_at: Some("2024-02-14T23:59:59Z".parse().unwrap()), ..it.clone() };
        if it.name == "30d" { vec![over] } else { Vec::new() }
    });
    let list = home.run(&["key", "list"]).ok().out;
    assert_eq!(list.matches(" (expired) ").count(), 1, "{list}");
    assert!(list.contains("2024-02-14 (expired)"), "{list}");
    assert_eq!(home.json(&["key", "list", "--json"])[0]["expired"], true);
}

#[test]
fn a_beginning_that_fits_several_keys_revokes_none_and_lists_them() {
    let home = Home::set_up();
    home.run(&["role", "create", "r", "-p", "read"]).ok();
    create(&home, "first", "r", &[]);
    edit(&home, |it| {
        let twin = |prefix: &str| ApiKey {
            id: Id::random(),
            prefix: prefix.to_owned(),
            name: prefix.to_owned(),
            ..it.clone()
        };
        vec![twin("vk_a1b2Twin"), twin("vk_a1b2Other")]
    });
    // What `key list` shows tells them apart.
    let list = home.run(&["key", "list"]).ok().out;
    assert!(list.contains("vk_a1b2Twin...") && list.contains("vk_a1b2Other..."), "{list}");
    for given in ["vk_a1", "vk_a1b2", "vk_a1b2..."] {
        let refused = home.run(&["key", "revoke", given]).fails_with(2);
        assert!(refused.err.contains("vk_a1b2Twin") && refused.err.contains("vk_a1b2Other"), "{refused:?}");
        assert_eq!(refused.out, "");
    }
    home.run(&["key", "revoke", "vk_"]).fails_with(2).says("first");
    assert_eq!(home.json(&["key", "list", "--json"]).as_array().unwrap().len(), 3);
    home.run(&["key", "revoke", "vk_a1b2T"]).ok();
    home.run(&["key", "revoke", "vk_a1b2"]).ok();
    assert_eq!(home.json(&["key", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn more_than_the_shown_beginning_names_a_key_too() {
    let home = Home::set_up();
    home.run(&["role", "create", "r", "-p", "read"]).ok();
    let given: [fn(&str) -> String; 4] =
        [str::to_owned, |key| key[..34].to_owned(), |key| key[..12].to_owned(), |key| format!("{}...", &key[..11])];
    for given in given {
        let key = create(&home, "k", "r", &[]);
        let other = create(&home, "other", "r", &[]);
        let revoked = home.run(&["key", "revoke", &given(&key)]).ok();
        assert_eq!(revoked.out, format!("Revoked API key: {}\n", &key[..11]));
        home.run(&["key", "revoke", &other]).ok();
    }
    let key = create(&home, "k", "r", &[]);
    for wrong in [format!("{}{}", &key[..11], "x".repeat(24)), format!("{key}x"), format!("{} x", &key[..11])] {
        let refused = home.run(&["key", "revoke", &wrong]).fails_with(3).says("there is no API key");
        assert!(!refused.err.contains(&key[..12]), "what may be a key is not repeated: {refused:?}");
    }
    assert_eq!(home.json(&["key", "list", "--json"]).as_array().unwrap().len(), 1);
}

#[test]
fn a_key_of_a_deleted_role_stays_in_the_list() {
    let home = Home::set_up();
    home.run(&["role", "create", "gone", "-p", "read"]).ok();
    create(&home, "k", "gone", &[]);
    home.run(&["role", "delete", "gone"]).ok();
    assert_eq!(rows(&home.run(&["key", "list"]).ok().out)[1][2], "(deleted)");
    let listed = &home.json(&["key", "list", "--json"])[0];
    assert_eq!((listed.get("role"), listed["role_id"].is_string()), (None, true));
}

#[test]
fn a_key_stands_nowhere_once_it_was_shown() {
    let home = Home::set_up();
    home.run(&["role", "create", "r", "-p", "read"]).ok();
    let mut command = home.command(&["-vv", "key", "create", "k", "-r", "r"]);
    let ran = Ran::of(command.env("RUST_LOG", "trace")).ok();
    let key = ran.out.lines().next().unwrap().strip_prefix("Created API key: ").unwrap();
    let traces = Traces::of(key);
    assert_eq!(traces.found_in(ran.err.as_bytes()), None, "{}", ran.err);
    for arguments in
        [&["key", "list", "--json"][..], &["key", "list"], &["key", "revoke", key], &["key", "revoke", key]]
    {
        let ran = home.run(arguments);
        assert_eq!(traces.found_in((ran.out + &ran.err).as_bytes()), None, "{arguments:?}");
    }
    let mut files = 0;
    each_file(&home.path(""), &mut |file| {
        files += 1;
        assert_eq!(traces.found_in(&fs::read(file).unwrap()), None, "{}", file.display());
    });
    assert!(files >= 4, "{files}");
    let log = fs::read_to_string(home.path(".local/share/vultrino/audit.log")).unwrap();
    let about: Vec<&str> = log.lines().filter(|it| it.contains(&format!(" object=key:{}", &key[..11]))).collect();
    let outcomes = [" key_create ", " key_revoke ", " key_revoke "];
    assert!(about.len() == 3 && about.iter().zip(outcomes).all(|(line, action)| line.contains(action)), "{log}");
    assert!(about[2].contains(" outcome=denied reason=not_found "), "{log}");
}

fn each_file(folder: &Path, with: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { each_file(&path, with) } else { with(&path) }
    }
}

#[test]
fn an_api_key_does_not_open_the_store() {
    let home = Home::set_up();
    home.add("there", &[]).ok();
    for arguments in [
        &["list"][..],
        &["get", "there", "--show-secret", "--force"],
        &["add", "--alias", "x", "--key", "y"],
        &["delete", "there", "--force"],
        &["role", "list"],
        &["key", "create", "k", "--role", "r"],
        &["key", "revoke", "vk_0123"],
    ] {
        let mut command = home.command(arguments);
        command.env_remove("VULTRINO_PASSWORD").env("VULTRINO_API_KEY", "vk_0123456789abcdef0123456789abcdef");
        let refused = Ran::of(&mut command).fails_with(4).says("an API key does not open the store");
        assert!(refused.out.is_empty() && !refused.err.contains("vk_0123"), "{refused:?}");
        Ran::of(command.env_remove("VULTRINO_API_KEY")).fails_with(2).says("the storage password is missing");
    }
}

#[test]
fn fifty_writers_of_credentials_and_keys_lose_nothing() {
    let home = Home::set_up();
    home.run(&["role", "create", "r", "-p", "read"]).ok();
    thread::scope(|scope| {
        for writer in 0..50 {
            let home = &home;
            scope.spawn(move || match writer % 2 {
                0 => drop(home.add(&format!("c{writer}"), &[]).ok()),
                _ => drop(create(home, &format!("k{writer}"), "r", &[])),
            });
        }
    });
    assert_eq!(home.json(&["list", "--json"]).as_array().unwrap().len(), 25);
    let keys = home.json(&["key", "list", "--json"]);
    let mut names: Vec<&str> = keys.as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 25);
    let log = fs::read_to_string(home.path(".local/share/vultrino/audit.log")).unwrap();
    assert_eq!(log.matches(" credential_add ").count() + log.matches(" key_create ").count(), 50);
}

#[test]
fn a_cheap_store_is_raised_when_it_is_unlocked_and_never_lowered() {
    let home = Home::set_up();
    let memory = || u32::from_be_bytes(fs::read(home.store()).unwrap()[52..56].try_into().unwrap());
    home.add("there", &[]).ok();
    assert_eq!(memory(), 19456);
    home.write(".config/vultrino/config.toml", &CHEAP.replace("19456", "20480"));
    home.run(&["list"]).ok();
    assert_eq!(memory(), 20480);
    home.write(".config/vultrino/config.toml", CHEAP);
    home.run(&["get", "there", "--show-secret", "--force"]).ok();
    assert_eq!(memory(), 20480);
}
