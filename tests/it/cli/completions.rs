//! Completion in a shell: the script, and the names that come from the server that runs.

use std::process::Command;

use crate::{
    cli::home::BINARY,
    support::{
        Appliance, Credential,
        process::{Output, run},
    },
};

/// What bash offers for these words, of which the last is being typed. Without the storage password.
fn offered(appliance: &Appliance, key: Option<&str>, words: &[&str]) -> Vec<String> {
    let config = appliance.home().join("completing.toml");
    let store = appliance.home().join("credentials.enc");
    let text = format!(
        "[server]\nbind = \"{}\"\n[storage.file]\npath = {:?}\n[policy]\ninclude = [\"missing.toml\"]\n",
        appliance.address(),
        store.display().to_string()
    );
    std::fs::write(&config, text).unwrap();
    let script = "source <(vultrino completions bash)\n\
                  COMP_WORDS=(vultrino \"$@\") COMP_CWORD=$# COMP_TYPE=9\n\
                  _clap_complete_vultrino vultrino \"${!#}\" \"\"\n\
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let folder = std::path::Path::new(BINARY).parent().unwrap().display();
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", script, "bash"]).args(words).env_clear();
    command.env("PATH", format!("{folder}:/usr/bin:/bin")).env("HOME", appliance.home());
    command.env("VULTRINO_CONFIG", config).envs(key.map(|it| ("VULTRINO_API_KEY", it)));
    let Output { status, stdout, stderr } = run(&mut command, "");
    assert!(status.success() && stderr.is_empty(), "{words:?} {status:?} {stdout} {stderr}");
    stdout.lines().filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

fn named(alias: &str) -> Credential {
    Credential::key(alias, "plain", &["localhost:*"])
}

#[test]
fn aliases_roles_and_keys_come_from_the_server_that_runs() {
    let builder = Appliance::builder().credential(named("github-api")).credential(named("github-ci"));
    let builder = builder.credential(named("jira")).role("admins", "read,admin", "");
    let appliance = builder.role("agents", "read,execute", "github-*").key("boss", "admins").key("bot", "agents");
    let appliance = appliance.set("server.local_auth", "\"key\"").start();
    let (boss, bot) = (appliance.key("boss"), appliance.key("bot"));
    let both = ["github-api", "github-ci"];
    for words in [&["get", "git"][..], &["info", "git"], &["delete", "git"], &["request", "git"], &["bind", "git"]] {
        assert_eq!(offered(&appliance, Some(boss), words), both, "{words:?}");
    }
    assert_eq!(offered(&appliance, Some(boss), &["get", ""])[..3], ["github-api", "github-ci", "jira"]);
    assert_eq!(offered(&appliance, Some(bot), &["unbind", "j"]), <[&str; 0]>::default(), "outside of its scope");
    assert_eq!(offered(&appliance, Some(boss), &["request", "-c", "git"]), both);
    assert_eq!(offered(&appliance, Some(boss), &["policy", "test", "--credential", "git"]), both);
    assert_eq!(offered(&appliance, Some(boss), &["role", "get", "a"]), ["admins", "agents"]);
    assert_eq!(offered(&appliance, Some(boss), &["key", "create", "k", "--role", "ag"]), ["agents"]);
    let keys = offered(&appliance, Some(boss), &["key", "revoke", "vk_"]);
    assert!(keys.contains(&boss[..11].to_owned()) && keys.contains(&bot[..11].to_owned()), "{keys:?}");
    assert!(keys.iter().all(|it| it.len() == 11), "no more of a key than is shown: {keys:?}");
    for (key, words) in [(None, ["get", "g"]), (Some(bot), ["role", "get"])] {
        assert!(
            !offered(&appliance, key, &words).iter().any(|it| it.contains("github") || it == "agents"),
            "{words:?}"
        );
    }
    // Commands and options need no server.
    assert_eq!(offered(&appliance, None, &["compl"]), ["completions"]);
    assert!(offered(&appliance, None, &["add", "--he"]).contains(&"--header".to_owned()));
}

#[test]
fn a_name_that_means_something_to_a_shell_is_not_offered() {
    use crate::support::Origin;

    let answer = r#"{"credentials":[{"alias":"$(reboot)"},{"alias":"-x"},{"alias":"a b"},{"alias":"good"}]}"#;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
    let origin = Origin::http_with(move |visit| {
        while visit.request()?.is_some() {
            visit.write(format!("{head}{answer}").as_bytes())?;
        }
        Ok(())
    });
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, format!("[server]\nbind = \"127.0.0.1:{}\"\n", origin.port())).unwrap();
    let mut command = Command::new(BINARY);
    command.args(["--", "vultrino", "get", ""]).env_clear().env("HOME", folder.path());
    command.env("VULTRINO_CONFIG", config).env("VULTRINO_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "2");
    let out = run(&mut command, "").expect_success();
    let names: Vec<&str> = out.lines().filter(|it| !it.starts_with('-')).collect();
    assert_eq!((names, origin.requests().len()), (vec!["good"], 1), "{out}");
}
