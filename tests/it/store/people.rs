//! The changes that a person can make, and those that are refused.

use http::Method;
use vultrino::{
    base::{clock::Clock, host::AuthorityPattern, target::Target},
    credential::{Credential, Material},
    identity::Principal,
    manage::{
        Caller, Description, ManageError, admin,
        credentials::{self, Update},
    },
    policy::{Facts, Limiter, decide},
    safe::{Safe, SafeError},
};

use crate::store::fixture::{Fixture, add, aliases, new_key, secret};

fn pattern(text: &str) -> AuthorityPattern {
    text.parse().unwrap()
}

fn bindings(fixture: &Fixture, alias: &str) -> Vec<String> {
    let records = fixture.load();
    credentials::get(&Principal::Local, &records, alias)
        .unwrap()
        .facts
        .bindings
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn an_alias_is_unique_without_regard_to_case() {
    let fixture = Fixture::new();
    fixture.add("GitHub", "first");
    let before = fixture.bytes();
    for taken in ["GitHub", "github", "GITHUB"] {
        let error = add(fixture.desk(), taken, "second").unwrap_err();
        assert!(matches!(error, ManageError::AliasTaken(ref alias) if alias.as_str() == "GitHub"), "{error}");
    }
    assert_eq!(fixture.bytes(), before);
    let records = fixture.load();
    assert!(credentials::get(&Principal::Local, &records, "github").is_err(), "case matters when it is looked up");
}

#[test]
fn a_known_token_binds_itself_unless_hosts_are_named() {
    let fixture = Fixture::new();
    let added = add(fixture.desk(), "gh", "ghp_abcdef").unwrap();
    assert_eq!(added.recognised.unwrap().name, "github");
    assert_eq!(bindings(&fixture, "gh"), ["api.github.com", "uploads.github.com"]);
    let mut elsewhere = new_key("ghe", "ghp_abcdef");
    elsewhere.bindings = vec![pattern("github.example.com")];
    assert!(credentials::add(fixture.desk(), &Caller::local(), elsewhere).unwrap().recognised.is_none());
    assert_eq!(bindings(&fixture, "ghe"), ["github.example.com"]);
    assert!(add(fixture.desk(), "unknown", "abcdef").unwrap().recognised.is_none());
    assert!(bindings(&fixture, "unknown").is_empty());
}

#[test]
fn bytes_that_could_leave_a_header_are_refused_and_nothing_is_stored() {
    let fixture = Fixture::new();
    let before = fixture.bytes();
    for bad in ["a\r\nHost: evil", "a\nb", "a\0b", ""] {
        let materials = [
            Material::ApiKey { key: secret(bad) },
            Material::BasicAuth { username: secret(bad), password: secret("") },
            Material::BasicAuth { username: secret("a:b"), password: secret(bad) },
        ];
        for material in materials {
            let mut new = new_key("bad", "x");
            new.material = material;
            let error = credentials::add(fixture.desk(), &Caller::local(), new).unwrap_err();
            assert!(matches!(error, ManageError::Invalid(_)), "{bad:?} {error}");
        }
    }
    let mut new = new_key("bad", "x");
    new.description = Some("line\nend".to_owned());
    assert!(matches!(credentials::add(fixture.desk(), &Caller::local(), new), Err(ManageError::Description)));
    assert_eq!(fixture.bytes(), before);
}

#[test]
fn bindings_come_and_go() {
    let fixture = Fixture::new();
    fixture.add("c", "key");
    let both = [pattern("a.example"), pattern("*.b.example:*")];
    credentials::bind(fixture.desk(), &Caller::local(), "c", &both).unwrap();
    credentials::bind(fixture.desk(), &Caller::local(), "c", &both[..1]).unwrap();
    assert_eq!(bindings(&fixture, "c"), ["a.example", "*.b.example:*"]);
    let error =
        credentials::unbind(fixture.desk(), &Caller::local(), "c", &[pattern("a.example"), pattern("x.example")]);
    assert!(matches!(error, Err(ManageError::NotBound { ref pattern, .. }) if pattern == "x.example"));
    assert_eq!(bindings(&fixture, "c").len(), 2);
    credentials::unbind(fixture.desk(), &Caller::local(), "c", &both[..1]).unwrap();
    assert_eq!(bindings(&fixture, "c"), ["*.b.example:*"]);
    assert_eq!(fixture.key_of("c"), "key");
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let fixture = Fixture::new();
    let mut new = new_key("c", "first");
    new.description = Some("for CI".to_owned());
    new.metadata = r#"{"header_name":"X-Key","team":"a"}"#.parse().unwrap();
    new.bindings = vec![pattern("a.example")];
    let added = credentials::add(fixture.desk(), &Caller::local(), new).unwrap().credential;
    let update = |update: Update| credentials::update(fixture.desk(), &Caller::local(), "c", &update);

    let same = update(Update::default()).unwrap();
    assert!(same.updated_at > added.updated_at);
    assert_eq!(Credential { updated_at: added.updated_at, ..same }, added);
    assert_eq!(fixture.key_of("c"), "first");

    let material = Some(Material::api_key(secret("second")).unwrap());
    let other = update(Update { material, ..Update::default() }).unwrap();
    assert_eq!(Credential { updated_at: added.updated_at, ..other }, added);
    assert_eq!(fixture.key_of("c"), "second");

    let bindings = Some(vec![pattern("b.example"), pattern("c.example"), pattern("b.example")]);
    let metadata = Some(r#"{"team":"b"}"#.parse().unwrap());
    let description = Description::Set("for all".to_owned());
    let all = update(Update { description, metadata, bindings, auto: Some(false), material: None }).unwrap();
    assert_eq!((all.description.as_deref(), all.auto), (Some("for all"), false));
    assert_eq!((all.metadata.header_name(), bindings_of(&all)), (None, vec!["b.example".into(), "c.example".into()]));
    let cleared = update(Update { description: Description::Clear, bindings: Some(Vec::new()), ..Update::default() });
    let cleared = cleared.unwrap();
    assert!(cleared.description.is_none() && cleared.bindings.is_empty() && !cleared.auto);
    assert_eq!(credentials::get(&Principal::Local, &fixture.load(), "c").unwrap().facts, cleared);
    assert_eq!(fixture.key_of("c"), "second");
}

#[test]
fn an_update_that_cannot_be_changes_nothing() {
    let fixture = Fixture::new();
    fixture.add("c", "key");
    let before = fixture.bytes();
    let update = |update: Update| credentials::update(fixture.desk(), &Caller::local(), "c", &update).unwrap_err();
    let pair = Material::basic_auth(secret("u"), secret("p")).unwrap();
    let of = |material| Update { material: Some(material), ..Update::default() };
    assert!(matches!(update(of(pair)), ManageError::OtherKind { .. }));
    assert!(matches!(update(of(Material::ApiKey { key: secret("a\nb") })), ManageError::Invalid(_)));
    let description = Description::Set("a\nb".to_owned());
    assert!(matches!(update(Update { description, ..Update::default() }), ManageError::Description));
    let nobody = credentials::update(fixture.desk(), &Caller::local(), "C", &Update::default());
    assert!(matches!(nobody, Err(ManageError::NotFound(alias)) if alias == "C"));
    assert_eq!(fixture.bytes(), before);
}

fn bindings_of(credential: &Credential) -> Vec<String> {
    credential.bindings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_deleted_credential_is_gone_and_its_alias_free() {
    let fixture = Fixture::new();
    fixture.add("a", "first");
    fixture.add("b", "key");
    assert_eq!(credentials::delete(fixture.desk(), &Caller::local(), "a").unwrap().alias.as_str(), "a");
    assert_eq!(aliases(&fixture.load()), ["b"]);
    assert!(matches!(credentials::delete(fixture.desk(), &Caller::local(), "a"), Err(ManageError::NotFound(_))));
    assert!(matches!(credentials::bind(fixture.desk(), &Caller::local(), "a", &[]), Err(ManageError::NotFound(_))));
    fixture.add("A", "second");
    assert_eq!(fixture.key_of("A"), "second");
}

#[test]
fn lists_are_sorted_by_alias() {
    let fixture = Fixture::new();
    for alias in ["b", "C", "a"] {
        fixture.add(alias, "key");
    }
    let records = fixture.load();
    let sorted: Vec<&str> =
        credentials::list(&Principal::Local, &records).unwrap().iter().map(|it| it.alias.as_str()).collect();
    assert_eq!(sorted, ["a", "b", "C"]);
}

#[test]
fn the_admin_gets_another_password_and_name() {
    let fixture = Fixture::new();
    admin::set(fixture.desk(), &Caller::local(), None, &secret("second")).unwrap();
    let stored = fixture.load().admin.unwrap();
    assert_eq!(stored.facts.username, "admin");
    assert!(stored.facts.verify(&secret("second")));
    admin::set(fixture.desk(), &Caller::local(), Some("root"), &secret("third")).unwrap();
    let stored = fixture.load().admin.unwrap();
    assert_eq!((stored.facts.username.as_str(), stored.version), ("root", 3));
    assert!(matches!(admin::set(fixture.desk(), &Caller::local(), None, &secret("")), Err(ManageError::Admin(_))));
}

/// Otherwise a new secret could go to a host that only the old one was bound to.
#[test]
fn what_was_changed_since_it_was_judged_does_not_open() {
    let fixture = Fixture::new();
    add(fixture.desk(), "gh", "ghp_abcdef").unwrap();
    let judged = fixture.load();
    let target = Target::parse("https://api.github.com/user").unwrap();
    let credential = &judged.credentials[0].facts;
    let facts = Facts {
        principal: &Principal::Local,
        credential: Some(credential),
        policies: &[],
        target: &target,
        method: &Method::GET,
        now: credential.updated_at,
    };
    let permit = decide(&facts, &Limiter::new(Clock.steady())).unwrap();
    let safe = Safe::new(fixture.store.opener());
    assert!(safe.open(&permit, &judged.credentials[0]).is_ok());
    let change = Update { material: Some(Material::ApiKey { key: secret("other") }), ..Update::default() };
    credentials::update(fixture.desk(), &Caller::local(), "gh", &change).unwrap();
    let changed = fixture.load();
    assert!(matches!(safe.open(&permit, &changed.credentials[0]), Err(SafeError::NotPermitted)));
}
