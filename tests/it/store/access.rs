//! Roles and keys: what is stored, who may make them, and what is never stored.

use std::sync::Arc;

use jiff::Timestamp;
use vultrino::{
    audit::{Anchor, Door},
    base::{id::Id, peer::Peer},
    identity::{ApiKey, KeyHash, Permissions, Principal, Role, principal::Holder},
    manage::{Caller, Description, ManageError, credentials, keys, policies, reveal, roles, upkeep},
    store::{Change, FileStore, StoreError},
};

use crate::store::fixture::{Fixture, Office, PASSWORD, add, aliases, new_key, secret};

fn role(name: &str, permissions: &str, scopes: &str) -> roles::New {
    let scopes = if scopes.is_empty() { Vec::new() } else { roles::parse_scopes(scopes).unwrap() };
    roles::New { name: name.to_owned(), description: None, permissions: permissions.parse().unwrap(), scopes }
}

fn key(name: &str, role: &str) -> keys::New {
    keys::New { name: name.to_owned(), role: role.to_owned(), expires_at: None }
}

/// Somebody who has shown a key of this role.
fn holder(fixture: &Fixture, role: &Role) -> Principal {
    let (key, _) = keys::create(fixture.desk(), &Caller::local(), &key("holder", &role.name)).unwrap();
    Principal::Key(Arc::new(Holder::new(key, Arc::new(role.clone()))))
}

fn with(principal: &Principal) -> Caller<'_> {
    Caller { principal, door: Door::Api, source: Some(Peer::Tcp("192.0.2.1:7000".parse().unwrap())) }
}

fn made(fixture: &Fixture, name: &str, permissions: &str, scopes: &str) -> Role {
    roles::create(fixture.desk(), &Caller::local(), role(name, permissions, scopes)).unwrap()
}

#[test]
fn roles_and_keys_come_back_as_they_were_created() {
    let fixture = Fixture::new();
    let mut new = role("ci", "read,execute", "github-*,{a,b}-test");
    new.description = Some("for CI".to_owned());
    let ci = roles::create(fixture.desk(), &Caller::local(), new).unwrap();
    let mut new = key("my app", "ci");
    new.expires_at = Some("2099-12-31T23:59:59Z".parse().unwrap());
    let (created, secret_key) = keys::create(fixture.desk(), &Caller::local(), &new).unwrap();
    assert_eq!(created.hash, KeyHash::of(secret_key.expose()));
    upkeep::note(&fixture.store, &fixture.load(), &[], Some(Anchor { sequence: 7, mac: [9; 16] })).unwrap();

    let records = FileStore::open(fixture.path(), &secret(PASSWORD)).unwrap().load().unwrap();
    assert_eq!(*roles::get(&Principal::Local, &records, "ci").unwrap(), ci);
    assert_eq!(*roles::get(&Principal::Local, &records, &ci.id.to_string()).unwrap(), ci);
    assert_eq!(*keys::find(&Principal::Local, &records, &created.prefix).unwrap(), created);
    assert_eq!(records.anchor.unwrap().facts, Anchor { sequence: 7, mac: [9; 16] });
    let needles = [secret_key.expose(), b"my app", b"for CI", created.prefix.as_bytes()];
    for needle in needles {
        assert!(!fixture.bytes().windows(needle.len()).any(|it| it == needle));
    }
}

#[test]
fn the_store_changes_and_removes_them_one_by_one() {
    let fixture = Fixture::new();
    let one = made(&fixture, "one", "read", "");
    let (first, _) = keys::create(fixture.desk(), &Caller::local(), &key("first", "one")).unwrap();
    let (second, _) = keys::create(fixture.desk(), &Caller::local(), &key("second", "one")).unwrap();
    let apply = |change| fixture.store.apply(vec![change], fixture.load().revision);
    apply(Change::PutRole(Role { permissions: "execute".parse().unwrap(), ..one.clone() })).unwrap();
    apply(Change::PutKey(ApiKey { name: "renamed".to_owned(), ..first.clone() })).unwrap();
    let records = fixture.load();
    assert_eq!(records.roles[0].version, 2);
    assert_eq!(records.roles[0].facts.permissions, "execute".parse::<Permissions>().unwrap());
    assert_eq!((records.keys[0].facts.name.as_str(), records.keys[0].version), ("renamed", 2));
    assert_eq!(records.keys[1].version, 1);
    apply(Change::DeleteKey(first.id)).unwrap();
    apply(Change::DeleteRole(one.id)).unwrap();
    let records = fixture.load();
    assert!(records.roles.is_empty());
    assert_eq!(records.keys.iter().map(|it| it.facts.id).collect::<Vec<_>>(), [second.id]);
    for gone in [Change::DeleteKey(first.id), Change::DeleteRole(one.id), Change::DeleteRole(second.id)] {
        assert!(matches!(apply(gone), Err(StoreError::NoRecord(_))));
    }
}

#[test]
fn last_uses_go_forward_and_cost_a_write_only_where_they_are_news() {
    let fixture = Fixture::new();
    made(&fixture, "one", "read", "");
    let (key, _) = keys::create(fixture.desk(), &Caller::local(), &key("k", "one")).unwrap();
    let at = |second| Timestamp::from_second(second).unwrap();
    let used = || fixture.load().keys[0].facts.last_used_at;
    let note = |uses: &[_], anchor| upkeep::note(&fixture.store, &fixture.load(), uses, anchor);
    note(&[(key.id, at(100)), (Id::random(), at(200))], None).unwrap();
    assert_eq!(used(), Some(at(100)));
    let before = fixture.bytes();
    note(&[(key.id, at(99)), (key.id, at(100)), (Id::random(), at(200))], None).unwrap();
    note(&[], None).unwrap();
    assert_eq!(fixture.bytes(), before);
    fixture.store.apply(vec![Change::TouchKeys(vec![(key.id, at(50))])], fixture.load().revision).unwrap();
    assert_eq!(used(), Some(at(100)));
    note(&[(key.id, at(101))], None).unwrap();
    assert_eq!(used(), Some(at(101)));

    note(&[], Some(Anchor { sequence: 7, mac: [1; 16] })).unwrap();
    note(&[], Some(Anchor { sequence: 6, mac: [2; 16] })).unwrap();
    assert_eq!(fixture.load().anchor.unwrap().facts, Anchor { sequence: 7, mac: [1; 16] });
}

#[test]
fn names_are_checked_and_unique_where_they_must_be() {
    let fixture = Fixture::new();
    let create = |new| roles::create(fixture.desk(), &Caller::local(), new);
    let id = made(&fixture, "CI", "read", "").id.to_string();
    for taken in ["CI", "ci"] {
        assert!(matches!(create(role(taken, "read", "")), Err(ManageError::RoleTaken(name)) if name == "CI"));
    }
    for bad in ["", "-a", "a b", "a/b", "é", "a\n", &"a".repeat(65), &id] {
        assert!(matches!(create(role(bad, "read", "")), Err(ManageError::RoleName)), "{bad:?}");
    }
    let none = roles::New { permissions: Permissions::default(), ..role("none", "read", "") };
    assert!(matches!(create(none), Err(ManageError::NoPermission)));
    let many = roles::New { scopes: vec!["a".parse().unwrap(); 101], ..role("many", "read", "") };
    assert!(matches!(create(many), Err(ManageError::TooManyScopes)));

    let create = |new: keys::New| keys::create(fixture.desk(), &Caller::local(), &new);
    create(key("same", "CI")).unwrap();
    create(key("same", &id)).unwrap();
    assert!(matches!(create(key("a\nb", "CI")), Err(ManageError::KeyName)));
    assert!(matches!(create(key("a", "ci")), Err(ManageError::RoleNotFound(name)) if name == "ci"));
    let over = keys::New { expires_at: Some(Timestamp::UNIX_EPOCH), ..key("over", "CI") };
    assert!(matches!(create(over), Err(ManageError::Expiry(_))));
    assert_eq!((fixture.load().roles.len(), fixture.load().keys.len()), (1, 2));
    let reserved = credentials::add(fixture.desk(), &Caller::local(), new_key("Types", "x"));
    assert!(matches!(reserved, Err(ManageError::AliasReserved(_))));
}

#[test]
fn a_key_is_found_by_its_beginning_its_id_or_itself() {
    let fixture = Fixture::new();
    made(&fixture, "one", "read", "");
    let (found, whole) = keys::create(fixture.desk(), &Caller::local(), &key("k", "one")).unwrap();
    // Two more that begin alike.
    let twins: Vec<ApiKey> = ["vk_Twin0001", "vk_Twin0002"]
        .iter()
        .map(|prefix| ApiKey { id: Id::random(), prefix: (*prefix).to_owned(), ..found.clone() })
        .collect();
    let changes = twins.iter().cloned().map(Change::PutKey).collect();
    fixture.store.apply(changes, fixture.load().revision).unwrap();
    let records = fixture.load();
    let find = |text: &str| keys::find(&Principal::Local, &records, text);
    let whole = String::from_utf8(whole.expose().to_vec()).unwrap();
    for text in [&found.prefix[..], &found.prefix[..7], &format!("{}...", &found.prefix[..7]), &whole] {
        assert_eq!(find(text).unwrap().id, found.id, "{text}");
    }
    assert_eq!(find(&twins[1].id.to_string()).unwrap().id, twins[1].id);
    assert_eq!(find("vk_Twin0002").unwrap().id, twins[1].id);
    for (text, several) in [("vk_Twin", 2), ("vk_Tw", 2), ("vk_Twin000", 2), (&found.prefix[..6], 1), ("vk_", 3)] {
        let Err(ManageError::KeyUnclear { found, .. }) = find(text) else { panic!("{text}") };
        assert_eq!(found.len(), several, "{text}");
    }
    let other = format!("{}{}", &whole[..34], if whole.ends_with('a') { 'b' } else { 'a' });
    for text in ["", "k", "ghp_abc", "Twin0001", "vk_none", &Id::random().to_string(), &other, "a long password"] {
        let error = find(text).unwrap_err();
        assert!(matches!(error, ManageError::KeyNotFound(_)), "{text}");
        assert!(!error.to_string().contains(&whole[12..20]) && !error.to_string().contains("password"), "{error}");
    }
    let revoked = keys::revoke(fixture.desk(), &Caller::local(), "vk_Twin");
    assert!(matches!(revoked, Err(ManageError::KeyUnclear { .. })));
    assert_eq!(fixture.load().keys.len(), 3);
    keys::revoke(fixture.desk(), &Caller::local(), "vk_Twin0001").unwrap();
    assert_eq!(fixture.load().keys.len(), 2);
}

#[test]
fn a_deleted_role_leaves_its_keys_in_the_list() {
    let fixture = Fixture::new();
    made(&fixture, "gone", "read", "");
    keys::create(fixture.desk(), &Caller::local(), &key("k", "gone")).unwrap();
    roles::delete(fixture.desk(), &Caller::local(), "gone").unwrap();
    made(&fixture, "gone", "read", "");
    let records = fixture.load();
    let listed = keys::list(&Principal::Local, &records).unwrap();
    assert!(listed.len() == 1 && listed[0].role.is_none(), "another role of its name is another role");
    let error = roles::delete(fixture.desk(), &Caller::local(), "nobody").unwrap_err();
    assert!(matches!(error, ManageError::RoleNotFound(_)));
}

/// What each permission lets through, and that the others do not.
#[test]
fn each_change_takes_its_own_permission() {
    let fixture = Fixture::new();
    fixture.add("there", "key");
    // More hosts than there were are for the command line alone.
    credentials::bind(fixture.desk(), &Caller::local(), "there", &["a.example".parse().unwrap()]).unwrap();
    made(&fixture, "old", "read", "");
    for permission in ["read", "write", "update", "delete", "execute", "admin"] {
        let own = made(&fixture, permission, permission, "");
        let principal = holder(&fixture, &own);
        let (desk, caller) = (fixture.desk(), with(&principal));
        let records = fixture.load();
        let bind = ["a.example".parse().unwrap()];
        let no_change = credentials::Update::default();
        fixture.add("doomed", "key");
        let outcomes = [
            ("read", credentials::list(&principal, &records).map(drop)),
            ("read", credentials::get(&principal, &records, "there").map(drop)),
            ("write", credentials::add(desk, &caller, new_key(&format!("by-{permission}"), "x")).map(drop)),
            ("update", credentials::update(desk, &caller, "there", &no_change).map(drop)),
            ("update", credentials::bind(desk, &caller, "there", &bind).map(drop)),
            ("update", credentials::unbind(desk, &caller, "there", &bind).map(drop)),
            ("delete", credentials::delete(desk, &caller, "doomed").map(drop)),
            ("admin", roles::list(&principal, &records).map(drop)),
            ("admin", roles::get(&principal, &records, "old").map(drop)),
            ("admin", roles::create(desk, &caller, role("made", permission, "")).map(drop)),
            ("admin", roles::update(desk, &caller, permission, &roles::Update::default()).map(drop)),
            ("admin", keys::list(&principal, &records).map(drop)),
            ("admin", keys::create(desk, &caller, &key("made", permission)).map(drop)),
            ("admin", keys::revoke(desk, &caller, "vk_none").map(drop).or_else(not_found)),
            ("admin", roles::delete(desk, &caller, "made").map(drop)),
        ];
        for (at, (needed, outcome)) in outcomes.into_iter().enumerate() {
            let allowed = outcome.is_ok();
            assert_eq!(allowed, needed == permission, "{permission}: {at}: {outcome:?}");
            assert!(allowed || matches!(outcome, Err(ManageError::Forbidden(_))), "{permission}: {at}: {outcome:?}");
        }
        let shown = reveal::reveal(desk, &caller, "there").unwrap_err();
        assert_eq!(shown.status(), 403, "no key ever sees a value");
        if permission != "delete" {
            credentials::delete(desk, &Caller::local(), "doomed").unwrap();
        }
    }
}

fn not_found(error: ManageError) -> Result<(), ManageError> {
    if matches!(error, ManageError::KeyNotFound(_)) { Ok(()) } else { Err(error) }
}

#[test]
fn outside_its_scope_a_key_learns_nothing() {
    let fixture = Fixture::new();
    for alias in ["github-a", "github-b", "stripe"] {
        fixture.add(alias, "key");
    }
    let own = made(&fixture, "github", "read,write,update,delete", "github-*");
    let principal = holder(&fixture, &own);
    let (desk, caller) = (fixture.desk(), with(&principal));
    let records = fixture.load();
    let seen: Vec<&str> = credentials::list(&principal, &records).unwrap().iter().map(|it| it.alias.as_str()).collect();
    assert_eq!(seen, ["github-a", "github-b"]);
    let mut texts = Vec::new();
    for alias in ["stripe", "nobody"] {
        let bind = ["a.example".parse().unwrap()];
        let errors = [
            credentials::get(&principal, &records, alias).unwrap_err(),
            add_as(&fixture, &caller, alias).unwrap_err(),
            credentials::update(desk, &caller, alias, &credentials::Update::default()).unwrap_err(),
            credentials::bind(desk, &caller, alias, &bind).unwrap_err(),
            credentials::unbind(desk, &caller, alias, &bind).unwrap_err(),
            credentials::delete(desk, &caller, alias).unwrap_err(),
        ];
        for error in &errors {
            assert_eq!((error.status(), error.code(), error.reason()), (403, "forbidden", Some("scope")));
        }
        texts.push(errors.map(|it| it.to_string().replace(alias, "ALIAS")));
    }
    assert_eq!(texts[0], texts[1]);
    add_as(&fixture, &caller, "github-c").unwrap();
    assert_eq!(aliases(&fixture.load()), ["github-a", "github-b", "stripe", "github-c"]);
}

fn add_as(fixture: &Fixture, caller: &Caller<'_>, alias: &str) -> Result<(), ManageError> {
    credentials::add(fixture.desk(), caller, new_key(alias, "x")).map(drop)
}

#[test]
fn a_key_makes_nothing_that_is_wider_than_itself() {
    let fixture = Fixture::new();
    let own = made(&fixture, "own", "admin,read,execute", "github-*");
    made(&fixture, "wide", "execute", "");
    made(&fixture, "strong", "write", "github-*");
    made(&fixture, "narrow", "execute", "github-ci");
    let principal = holder(&fixture, &own);
    let (desk, caller) = (fixture.desk(), with(&principal));
    for (permissions, scopes) in [("execute", ""), ("execute", "*"), ("execute", "git*"), ("write", "github-*")] {
        let error = roles::create(desk, &caller, role("new", permissions, scopes)).unwrap_err();
        assert_eq!((error.status(), error.reason()), (403, Some("wider")), "{permissions} {scopes}");
    }
    roles::create(desk, &caller, role("new", "read,admin", "github-x,github-*-test")).unwrap();
    for wider in ["wide", "strong"] {
        assert!(matches!(keys::create(desk, &caller, &key("k", wider)), Err(ManageError::Wider)), "{wider}");
    }
    keys::create(desk, &caller, &key("k", "narrow")).unwrap();
    keys::create(desk, &caller, &key("k", "own")).unwrap();
}

#[test]
fn a_role_changes_in_place_and_its_keys_with_it() {
    let fixture = Fixture::new();
    fixture.add("a-1", "key");
    let own = made(&fixture, "own", "read,write", "");
    let principal = holder(&fixture, &own);
    let update = |update: roles::Update| roles::update(fixture.desk(), &Caller::local(), "own", &update);
    let narrower = roles::Update {
        permissions: Some("read".parse().unwrap()),
        scopes: Some(roles::parse_scopes("b-*").unwrap()),
        ..roles::Update::default()
    };
    let narrowed = update(narrower).unwrap();
    assert_eq!((narrowed.id, narrowed.created_at), (own.id, own.created_at));
    assert!(matches!(add_as(&fixture, &with(&principal), "b-2"), Err(ManageError::Forbidden(_))));
    assert!(credentials::list(&principal, &fixture.load()).unwrap().is_empty());
    let described = roles::Update { description: Description::Set("d".to_owned()), ..roles::Update::default() };
    let described = update(described).unwrap();
    assert_eq!(Role { description: None, ..described }, narrowed);
    let none = roles::Update { permissions: Some(Permissions::default()), ..roles::Update::default() };
    assert!(matches!(update(none), Err(ManageError::NoPermission)));
    let nobody = roles::update(fixture.desk(), &Caller::local(), "nobody", &roles::Update::default());
    assert!(matches!(nobody, Err(ManageError::RoleNotFound(_))));
}

/// Neither may it widen what it may touch, nor touch what is wider.
#[test]
fn a_key_changes_no_role_that_is_wider_than_itself() {
    let fixture = Fixture::new();
    let own = made(&fixture, "own", "admin,read", "a-*");
    made(&fixture, "narrow", "read", "a-1");
    made(&fixture, "wide", "read", "");
    let principal = holder(&fixture, &own);
    let update = |name, permissions: &str, scopes: &str| {
        let permissions = Some(permissions.parse().unwrap());
        let scopes = Some(roles::parse_scopes(scopes).unwrap());
        let update = roles::Update { permissions, scopes, ..roles::Update::default() };
        roles::update(fixture.desk(), &with(&principal), name, &update)
    };
    for (name, permissions, scopes) in
        [("narrow", "write", "a-1"), ("narrow", "read", "*"), ("own", "admin,write", "a-*"), ("wide", "read", "a-1")]
    {
        assert!(matches!(update(name, permissions, scopes), Err(ManageError::Wider)), "{name} {permissions} {scopes}");
    }
    update("narrow", "admin,read", "a-*").unwrap();
}

#[test]
fn a_key_makes_none_that_outlives_it() {
    let fixture = Fixture::new();
    let own = made(&fixture, "own", "admin", "");
    let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
    let new = keys::New { expires_at: at("2099-06-01T00:00:00Z"), ..key("mine", "own") };
    let (mine, _) = keys::create(fixture.desk(), &Caller::local(), &new).unwrap();
    let principal = Principal::Key(Arc::new(Holder::new(mine, Arc::new(own))));
    for (expires_at, fine) in [(None, false), (at("2099-06-01T00:00:01Z"), false), (at("2099-06-01T00:00:00Z"), true)] {
        let new = keys::New { expires_at, ..key("next", "own") };
        assert_eq!(keys::create(fixture.desk(), &with(&principal), &new).is_ok(), fine, "{expires_at:?}");
    }
}

/// What was true when the request came in does not count.
#[test]
fn a_key_that_was_revoked_a_moment_ago_changes_nothing() {
    let fixture = Fixture::new();
    let own = made(&fixture, "own", "admin,write", "");
    let revoked = holder(&fixture, &own);
    keys::revoke(fixture.desk(), &Caller::local(), &revoked.holder().unwrap().key.id.to_string()).unwrap();
    let narrowed = holder(&fixture, &own);
    let narrower =
        Role { permissions: "write".parse().unwrap(), credential_scopes: vec!["a-*".parse().unwrap()], ..own };
    fixture.store.apply(vec![Change::PutRole(narrower)], fixture.load().revision).unwrap();
    let create = |principal| keys::create(fixture.desk(), &with(principal), &key("k", "own"));
    assert!(matches!(create(&revoked), Err(ManageError::Unauthorized)));
    assert!(matches!(create(&narrowed), Err(ManageError::Forbidden(_))));
    assert!(matches!(add_as(&fixture, &with(&narrowed), "b"), Err(ManageError::OutOfScope(_))));
    add_as(&fixture, &with(&narrowed), "a-1").unwrap();
    roles::delete(fixture.desk(), &Caller::local(), "own").unwrap();
    assert!(matches!(add_as(&fixture, &with(&narrowed), "a-2"), Err(ManageError::Unauthorized)));
    assert!(matches!(credentials::list(&narrowed, &fixture.load()), Err(ManageError::Unauthorized)));
}

/// It was valid when the request came in, whose body then took its time.
#[test]
fn a_key_that_has_expired_since_changes_nothing() {
    let fixture = Fixture::new();
    let own = made(&fixture, "own", "admin,write", "");
    let principal = holder(&fixture, &own);
    add_as(&fixture, &with(&principal), "before").unwrap();
    let expires_at = Some(Timestamp::now());
    let over = ApiKey { expires_at, ..principal.holder().unwrap().key.clone() };
    fixture.store.apply(vec![Change::PutKey(over)], fixture.load().revision).unwrap();
    assert!(matches!(add_as(&fixture, &with(&principal), "after"), Err(ManageError::Unauthorized)));
    let create = keys::create(fixture.desk(), &with(&principal), &key("k", "own"));
    assert!(matches!(create, Err(ManageError::Unauthorized)));
    let asked = policies::subject(Timestamp::now(), &principal, &fixture.load(), "before").map(drop);
    assert!(matches!(asked, Err(ManageError::Unauthorized)));
}

#[test]
fn a_change_is_published_before_it_returns_and_a_refusal_is_not() {
    let fixture = Fixture::new();
    let published = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (seen, store) = (Arc::clone(&published), Arc::clone(&fixture.store));
    let mut office = Office::over(&fixture.store);
    office.desk = office.desk.on_change(move || seen.lock().unwrap().push(store.load().unwrap().credentials.len()));
    add(&office.desk, "one", "key").unwrap();
    assert_eq!(*published.lock().unwrap(), [1]);
    add(&office.desk, "one", "key").unwrap_err();
    assert_eq!(*published.lock().unwrap(), [1]);
    credentials::delete(&office.desk, &Caller::local(), "one").unwrap();
    assert_eq!(*published.lock().unwrap(), [1, 0]);
}

#[test]
fn the_trail_says_who_did_what_and_holds_no_key() {
    let fixture = Fixture::new();
    let own = made(&fixture, "ops", "admin,write,update", "a-*");
    let (created, whole) = keys::create(fixture.desk(), &Caller::local(), &key("ops key", "ops")).unwrap();
    let principal = Principal::Key(Arc::new(Holder::new(created.clone(), Arc::new(own))));
    let caller = with(&principal);
    add_as(&fixture, &caller, "a-1").unwrap();
    add_as(&fixture, &caller, "b-1").unwrap_err();
    keys::create(fixture.desk(), &caller, &key("too long", "nobody")).unwrap_err();
    keys::revoke(fixture.desk(), &caller, std::str::from_utf8(whole.expose()).unwrap()).unwrap();
    let log = fixture.office.log();
    let lines: Vec<&str> = log.lines().collect();
    let prefix = &created.prefix;
    let expected = [
        " ADMIN role_create credential=- ",
        " ADMIN key_create credential=- ",
        " API credential_add credential=a-1 ",
        " API credential_add credential=b-1 ",
        " API key_create credential=- ",
        " API key_revoke credential=- ",
    ];
    assert_eq!(lines.len(), expected.len(), "{log}");
    for (line, part) in lines.iter().zip(expected) {
        assert!(line.contains(part), "{part} {line}");
    }
    for line in &lines[2..] {
        assert!(line.contains(" source=192.0.2.1:7000 ") && line.contains(&format!(" key={prefix} ")), "{line}");
        assert!(line.contains(" name=ops\\x20key "), "{line}");
    }
    let objects = ["role:ops", &format!("key:{prefix}"), "-", "-"];
    for (line, object) in lines.iter().zip(objects) {
        assert!(line.contains(&format!(" object={object} ")), "{line}");
    }
    assert!(lines[5].contains(&format!(" object=key:{prefix} ")), "{}", lines[5]);
    assert!(lines[3].contains(" status=403 outcome=denied reason=scope "), "{}", lines[3]);
    assert!(lines[4].contains(" status=404 outcome=denied reason=not_found "), "{}", lines[4]);
    assert!(lines[5].contains(" status=200 outcome=ok reason=- "), "{}", lines[5]);
    let tail = std::str::from_utf8(&whole.expose()[11..]).unwrap();
    assert!(!log.contains(tail));
}
