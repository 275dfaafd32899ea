//! Which credential is meant: by a header, by the proxy's user name, by the host's binding; and what is said when none is.

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::support::{Agent, Appliance, Credential, Origin, WAYS, Way, agent::NAMED, appliance::BEARER, process};

const HERE: &[&str] = &["localhost:*"];

fn two_for_one_host() -> Appliance {
    Appliance::builder()
        .credential(Credential::key("first", "key-1", HERE))
        .credential(Credential::key("second", "key-2", HERE))
        .start()
}

#[test]
fn a_header_names_it() {
    let appliance = two_for_one_host();
    for way in WAYS {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        for (path, alias, key) in
            [("/1", "first", "Bearer key-1"), ("/2", "second", "Bearer key-2"), ("/3", "first", "Bearer key-1")]
        {
            agent.ask("GET", path, &[("x-vultrino-credential", alias)]).expect_origins(200);
            let requests = origin.requests();
            let arrived = requests.iter().find(|it| it.target() == path).unwrap();
            assert_eq!(arrived.values("authorization"), [key], "{way:?}");
        }
    }
}

#[test]
fn none_asks_for_no_credential() {
    let none = [("X-Vultrino-Credential", "none"), ("Authorization", "Bearer of-the-client")];
    let appliance = Appliance::builder().credential(Credential::key("only", "key-1", HERE)).start();
    for way in WAYS {
        let origin = Origin::https();
        Agent::via(&appliance, way, &origin).ask("GET", "/", &none).expect_origins(200);
        let request = origin.only_request();
        assert_eq!(request.values("authorization"), ["Bearer of-the-client"], "{way:?}");
        request.assert_nothing_of_ours();
        let line = appliance.audit_of(&origin.authority());
        assert_eq!(line.get("credential"), "-", "{way:?} {}", line.text);
    }
    // It opens no way to hosts that the owner has closed: a credential of another could go there.
    let appliance = Appliance::builder()
        .credential(Credential::key("only", "key-1", HERE))
        .set("proxy.unmatched", "\"deny\"")
        .start();
    let origin = Origin::https();
    for way in WAYS {
        Agent::via(&appliance, way, &origin)
            .ask("GET", "/", &none)
            .expect_refusal(403, "forbidden")
            .because("unmatched");
    }
    assert_eq!(origin.connections(), 0);
    for alias in ["none", "None", "vultrino"] {
        let arguments = ["add", "--alias", alias, "--key", "-", "--host", "localhost"];
        let refused = process::run(&mut appliance.command(&arguments), "of-it");
        assert!(!refused.status.success(), "{alias} {refused:?}");
    }
}

#[test]
fn the_user_name_of_the_proxy_names_it() {
    let appliance = two_for_one_host();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let user = user("second", "");
        ask_as(&appliance, way, &origin, &user, &[]).expect_origins(200);
        let request = origin.only_request();
        request.assert_nothing_of_ours();
        assert_eq!(request.values("authorization"), ["Bearer key-2"], "{way:?}");
    }
}

#[test]
fn a_user_name_that_is_no_alias_is_refused() {
    let appliance = Appliance::start();
    let missing = user("nobody", "");
    for way in [Way::Absolute, Way::Tunnel] {
        for (shown, statuses) in [
            (&*missing, &[404][..]),
            (&*user("../walls", ""), &[400, 404, 407]),
            ("Basic", &[400, 407]),
            ("Basic !!!", &[400, 407]),
            ("Basic d2FsbHM=, Basic d2FsbHM=", &[400, 407]),
            ("Digest username=\"walls\"", &[400, 407]),
            ("Bearer walls", &[400, 407]),
        ] {
            let origin = Origin::https();
            let fields = [("Proxy-Authorization", shown)];
            let answer = match Agent::with(&appliance, way, "https", &origin.authority(), &fields) {
                Ok(mut agent) => agent.ask("GET", "/", if way == Way::Tunnel { &[] } else { &fields }),
                Err(refused) => *refused,
            };
            assert!(statuses.contains(&answer.status()), "{way:?} {shown:?} {answer:?}");
            answer.refusal();
            assert_eq!(origin.received(), 0, "{way:?} {shown:?}");
        }
    }
}

#[test]
fn the_header_wins_over_the_user_name() {
    let appliance = two_for_one_host();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let named = [("X-Vultrino-Credential", "first")];
        ask_as(&appliance, way, &origin, &user("second", ""), &named).expect_origins(200);
        assert_eq!(origin.only_request().values("authorization"), ["Bearer key-1"], "{way:?}");
    }
}

#[test]
fn a_user_name_that_means_nobody_names_none() {
    let appliance = Appliance::start();
    for way in [Way::Absolute, Way::Tunnel] {
        for name in ["", "-", "vultrino"] {
            let origin = Origin::https();
            ask_as(&appliance, way, &origin, &user(name, ""), &[]).expect_origins(200);
            assert_eq!(origin.only_request().values("authorization"), [BEARER], "{way:?} {name:?}");
        }
    }
}

#[test]
fn the_only_one_bound_to_the_host_is_meant_when_none_is_named() {
    let appliance = Appliance::start();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let own = [("Authorization", "Bearer my-own"), ("X-Other", "kept")];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &own).expect_origins(200);
        let request = origin.only_request();
        assert_eq!(request.values("authorization"), [BEARER], "{way:?}");
        assert_eq!(request.values("x-other"), ["kept"], "{way:?}");
    }
}

#[test]
fn path_style_always_names_it() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    let refusal =
        Agent::via(&appliance, Way::Path, &origin).ask("GET", "/", &[]).expect_refusal(400, "missing_credential");
    assert_eq!(refusal.message, "X-Vultrino-Credential header is required");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_alias_in_query_cookie_or_body_counts_for_nothing() {
    let appliance = Appliance::start();
    let origin = Origin::https();
    for (target, fields) in [
        ("/?X-Vultrino-Credential=walls&credential=walls", vec![]),
        ("/", vec![("Cookie", "X-Vultrino-Credential=walls; credential=walls")]),
        ("/", vec![("Credential", "walls"), ("X-Credential", "walls")]),
    ] {
        Agent::via(&appliance, Way::Path, &origin)
            .ask("GET", target, &fields)
            .expect_refusal(400, "missing_credential");
    }
    let mut agent = Agent::via(&appliance, Way::Path, &origin);
    let head = agent.head("POST", "/", &[("Content-Type", "application/json"), ("Content-Length", "22")]);
    agent.send(head + "{\"credential\":\"walls\"}");
    agent.answer("POST").expect_refusal(400, "missing_credential");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn several_for_the_host_are_ambiguous_and_named() {
    let appliance = two_for_one_host();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let answer = match Agent::with(&appliance, way, "https", &origin.authority(), &[]) {
            Ok(mut agent) => agent.ask("GET", "/", &[]),
            Err(refused) => *refused,
        };
        let refusal = answer.expect_refusal(400, "ambiguous_credential");
        let details = refusal.details.to_string();
        assert!(details.contains("first") && details.contains("second"), "{details}");
        assert_eq!(origin.connections(), 0, "{way:?}");
    }
}

#[test]
fn one_that_is_not_for_automatic_use_must_be_named() {
    let appliance = Appliance::builder()
        .credential(Credential::key("auto", "key-1", HERE))
        .credential(Credential::key("manual", "key-2", HERE).with("--no-auto"))
        .start();
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let mut agent = Agent::via(&appliance, way, &origin);
        agent.ask("GET", "/", &[]).expect_origins(200);
        agent.ask("GET", "/", &[("X-Vultrino-Credential", "manual")]).expect_origins(200);
        let keys: Vec<String> = origin.requests().iter().map(|it| it.values("authorization").concat()).collect();
        assert_eq!(keys, ["Bearer key-1", "Bearer key-2"], "{way:?}");
    }
}

#[test]
fn an_unknown_alias_is_not_found() {
    let appliance = Appliance::start();
    for way in WAYS {
        let origin = Origin::https();
        for alias in ["nobody", "Walls", "walls2"] {
            Agent::via(&appliance, way, &origin)
                .ask("GET", "/", &[("X-Vultrino-Credential", alias)])
                .expect_refusal(404, "not_found");
        }
        assert_eq!(origin.received(), 0, "{way:?}");
    }
}

#[test]
fn what_cannot_be_an_alias_is_refused() {
    let appliance = Appliance::start();
    let long = "a".repeat(65);
    for way in WAYS {
        let origin = Origin::https();
        for alias in ["../walls", "a/b", "a%2fb", "wa lls", "", "-walls", &long, "walls, walls", "*", "w\u{e4}lls"] {
            let mut agent = Agent::via(&appliance, way, &origin);
            let answer = agent.ask("GET", "/", &[("X-Vultrino-Credential", alias)]);
            let refusal = answer.refusal();
            assert!([400, 404].contains(&refusal.status), "{way:?} {alias:?} {refusal:?}");
        }
        assert_eq!(origin.received(), 0, "{way:?}");
    }
}

#[test]
fn two_headers_that_name_one_are_refused() {
    let appliance = two_for_one_host();
    for way in WAYS {
        let origin = Origin::https();
        for second in ["first", "second"] {
            let named = [("X-Vultrino-Credential", "first"), ("x-vultrino-credential", second)];
            Agent::via(&appliance, way, &origin).ask("GET", "/", &named).expect_refusal(400, "invalid_request");
        }
        assert_eq!(origin.received(), 0, "{way:?}");
    }
}

#[test]
fn an_unbound_one_is_refused_with_the_command_that_binds_it() {
    let unbound = Credential::key("loose", "key-of-no-known-shape", &[]);
    let origin = Origin::https();
    let appliance = Appliance::builder().credential(unbound).reaching(&origin).start();
    for way in WAYS {
        let refusal = Agent::via(&appliance, way, &origin)
            .ask("GET", "/", &[("X-Vultrino-Credential", "loose")])
            .expect_refusal(403, "forbidden")
            .because("unbound");
        assert!(refusal.text.contains("vultrino bind loose"), "{way:?}: {}", refusal.text);
        assert_eq!(origin.received(), 0, "{way:?}");
    }
}

#[test]
fn what_matches_none_goes_on_as_it_is_or_is_refused_as_configured() {
    let elsewhere = || Credential::key("elsewhere", "key", &["api.example.com"]);
    for way in [Way::Absolute, Way::Tunnel] {
        let origin = Origin::https();
        let appliance = Appliance::builder().credential(elsewhere()).reaching(&origin).start();
        let own = [("Authorization", "Bearer my-own"), ("Cookie", "a=b")];
        Agent::via(&appliance, way, &origin).ask("GET", "/", &own).expect_origins(200);
        let request = origin.only_request();
        request.assert_nothing_of_ours();
        assert_eq!(request.values("authorization"), ["Bearer my-own"], "{way:?}");
    }
    let origin = Origin::https();
    let appliance =
        Appliance::builder().credential(elsewhere()).reaching(&origin).set("proxy.unmatched", "\"deny\"").start();
    Agent::via(&appliance, Way::Absolute, &origin).ask("GET", "/", &[]).expect_refusal(403, "forbidden");
    let refused = Agent::with(&appliance, Way::Tunnel, "https", &origin.authority(), &[]);
    let Err(refused) = refused else { panic!("a leaf was signed for a host that is refused anyway") };
    refused.expect_refusal(403, "forbidden");
    assert_eq!(origin.connections(), 0);
}

#[test]
fn no_key_of_ours_ever_goes_up() {
    let appliance = Appliance::start();
    let key = "vk_0123456789abcdef0123456789abcdef";
    let (bearer, cookie) = (format!("Bearer {key}"), format!("a=b; key={key}"));
    let referer = format!("https://docs.test/?key={key}");
    for way in WAYS {
        let origin = Origin::https();
        for fields in [
            vec![("Authorization", &*bearer)],
            vec![("Proxy-Authorization", &*bearer)],
            vec![("Authorization", &*bearer), ("Authorization", "Bearer mine")],
            vec![("X-Vultrino-Key", key)],
            vec![("X-Key", key), ("Cookie", &*cookie), ("Referer", &*referer)],
        ] {
            let fields = [&[NAMED], &*fields].concat();
            // Whether an unknown key is refused or means nothing: it never leaves.
            let mut agent = Agent::via(&appliance, way, &origin);
            let head = agent.head("GET", "/", &fields);
            agent.send(head);
            let answer = agent.answer("GET");
            assert!([200, 400, 401, 407].contains(&answer.status()), "{way:?} {answer:#?}");
        }
        for request in origin.requests() {
            request.assert_nothing_of_ours();
            assert_eq!(request.values("authorization"), [BEARER], "{way:?}");
        }
    }
}

fn user(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")))
}

/// A GET by a client whose proxy URL holds a user: on CONNECT, or on the request itself.
#[track_caller]
fn ask_as(
    appliance: &Appliance,
    way: Way,
    origin: &Origin,
    user: &str,
    fields: &[(&str, &str)],
) -> crate::support::Answer {
    let shown = [("Proxy-Authorization", user)];
    let mut agent = Agent::with(appliance, way, "https", &origin.authority(), &shown).unwrap();
    match way {
        Way::Tunnel => agent.ask("GET", "/", fields),
        _ => agent.ask("GET", "/", &[&shown, fields].concat()),
    }
}
