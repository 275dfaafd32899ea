//! The tools about credentials. No result holds a secret.

use http::Method;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{
    audit::Door,
    base::{host::AuthorityPattern, id::Id, secret::Secret},
    credential::{Alias, Credential, Kind, Material, Metadata},
    exchange::{Snapshot, Visitor},
    manage::{ManageError, credentials, is_seen},
    mcp::{
        Mcp,
        failure::Failure,
        tools::{Told, read},
    },
    policy::methods_that_may_pass,
};

/// Most characters of a description that an agent gets to read.
const LONGEST_DESCRIPTION: usize = 500;

/// Of the tools that take an alias alone.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Named {
    pub(crate) alias: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Of `add_credential`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    alias: String,
    r#type: String,
    key: Option<String>,
    username: Option<String>,
    password: Option<String>,
    description: Option<String>,
    hosts: Option<Vec<String>>,
}

#[derive(Serialize)]
struct List<'a> {
    credentials: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Listed<'a> {
    alias: &'a Alias,
    r#type: Kind,
    description: String,
}

#[derive(Serialize)]
struct Info<'a> {
    #[serde(flatten)]
    listed: Listed<'a>,
    hosts: &'a [AuthorityPattern],
    #[serde(serialize_with = "names")]
    methods: Vec<Method>,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct Added {
    success: bool,
    id: Id,
    alias: Alias,
}

#[derive(Serialize)]
struct Success {
    success: bool,
}

/// `list_credentials`.
pub(crate) async fn list(mcp: &Mcp, visitor: &Visitor, arguments: Value) -> Result<Told, Failure> {
    let Nothing {} = read(arguments)?;
    seen(mcp, visitor, |seen| Told::of(&List { credentials: seen.iter().map(|it| Listed::of(it)).collect() })).await
}

/// Shows all credentials in the visitor's scope, by alias. However many there are, no serving thread walks them.
pub(crate) async fn seen<T: Send + 'static>(
    mcp: &Mcp,
    visitor: &Visitor,
    show: impl FnOnce(&[&Credential]) -> T + Send + 'static,
) -> Result<T, Failure> {
    mcp.exchange().managing(&visitor.principal)?;
    let principal = visitor.principal.clone();
    Ok(mcp.office().read(move |records| Ok(show(&credentials::list(&principal, records)?))).await?)
}

/// `get_credential_info`.
pub(crate) async fn info(mcp: &Mcp, visitor: &Visitor, arguments: Value) -> Result<Told, Failure> {
    let Named { alias } = read(arguments)?;
    about(mcp, visitor, alias).await
}

/// What is known of one credential.
pub(crate) async fn about(mcp: &Mcp, visitor: &Visitor, alias: String) -> Result<Told, Failure> {
    mcp.exchange().managing(&visitor.principal)?;
    let alias: Alias = alias.parse().map_err(ManageError::from)?;
    let principal = visitor.principal.clone();
    let get = move |records: &_| Ok(credentials::get(&principal, records, alias.as_str())?.facts.clone());
    let credential = mcp.office().read(get).await?;
    Ok(Told::of(&Info {
        listed: Listed::of(&credential),
        hosts: &credential.bindings,
        methods: methods(&mcp.exchange().snapshot(), &credential),
        created_at: time(credential.created_at),
        updated_at: time(credential.updated_at),
    }))
}

/// `add_credential`.
pub(crate) async fn add(mcp: &Mcp, visitor: &Visitor, arguments: Value) -> Result<Told, Failure> {
    mcp.exchange().managing(&visitor.principal)?;
    let New { alias, r#type, key, username, password, description, hosts } = read(arguments)?;
    let secret = |it: String| Secret::new(it.into_bytes());
    let [key, username, password] = [key, username, password].map(|it| it.map(secret));
    let kind: Kind = r#type.parse().or(Err(Failure::kind()))?;
    let material = match (kind, key, username, password) {
        (Kind::ApiKey, Some(key), None, None) => Material::ApiKey { key },
        (Kind::BasicAuth, None, Some(username), Some(password)) => Material::BasicAuth { username, password },
        (Kind::ApiKey, ..) => {
            return Err(Failure::invalid("`api_key` takes `key`, and neither `username` nor `password`"));
        }
        (Kind::BasicAuth, ..) => {
            return Err(Failure::invalid("`basic_auth` takes `username` and `password`, and no `key`"));
        }
    };
    let new = credentials::New {
        alias: alias.parse::<Alias>().map_err(ManageError::from)?,
        material,
        description,
        metadata: Metadata::default(),
        bindings: patterns(&hosts.unwrap_or_default())?,
        auto: true,
    };
    let added =
        mcp.office().change(visitor.clone(), Door::Mcp, move |desk, caller| credentials::add(desk, caller, new));
    let Credential { id, alias, .. } = added.await.map_err(recorded)?.credential;
    Ok(Told::of(&Added { success: true, id, alias }))
}

/// `delete_credential`.
pub(crate) async fn delete(mcp: &Mcp, visitor: &Visitor, arguments: Value) -> Result<Told, Failure> {
    mcp.exchange().managing(&visitor.principal)?;
    let Named { alias } = read(arguments)?;
    let alias: Alias = alias.parse().map_err(ManageError::from)?;
    let office = mcp.office();
    let deleted = office
        .change(visitor.clone(), Door::Mcp, move |desk, caller| credentials::delete(desk, caller, alias.as_str()));
    deleted.await.map_err(|error| recorded(error).called("credential_not_found", "not_found"))?;
    Ok(Told::of(&Success { success: true }))
}

/// A text that others wrote, as data: nothing in it that cannot be seen, and not without end.
pub(crate) fn plain(text: &str) -> String {
    let seen = || text.chars().filter(|it| is_seen(*it));
    let mut plain: String = seen().take(LONGEST_DESCRIPTION).collect();
    if seen().nth(LONGEST_DESCRIPTION).is_some() {
        plain.push('…');
    }
    plain
}

impl<'a> Listed<'a> {
    fn of(it: &'a Credential) -> Self {
        Self { alias: &it.alias, r#type: it.kind, description: plain(it.description.as_deref().unwrap_or_default()) }
    }
}

/// Those that the policies may let through.
fn methods(snapshot: &Snapshot, credential: &Credential) -> Vec<Method> {
    let policies = snapshot.named(credential.alias.as_str()).map_or(&[][..], |it| snapshot.policies_for(it));
    methods_that_may_pass(policies)
}

fn names<S: Serializer>(methods: &[Method], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(methods.iter().map(Method::as_str))
}

fn patterns(hosts: &[String]) -> Result<Vec<AuthorityPattern>, Failure> {
    let bad = |_| Failure::invalid("`hosts` holds hosts such as `api.github.com`, `*.example.com` or `host:8443`");
    hosts.iter().map(|it| it.parse().map_err(bad)).collect()
}

fn recorded(error: ManageError) -> Failure {
    Failure::from(error).on_record()
}

fn time(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use crate::mcp::credentials::{LONGEST_DESCRIPTION, plain};

    #[test]
    fn a_description_is_data() {
        assert_eq!(plain("GitHub, for Größe – 2"), "GitHub, for Größe – 2");
        assert_eq!(plain("a\u{202e}b\u{200b}c\u{1b}[1m\n\u{e0041}d"), "abc[1md");
        let long = plain(&"x".repeat(LONGEST_DESCRIPTION + 1));
        assert_eq!((long.chars().count(), long.ends_with('…')), (LONGEST_DESCRIPTION + 1, true));
        assert_eq!(plain(&"x".repeat(LONGEST_DESCRIPTION)).chars().count(), LONGEST_DESCRIPTION);
    }
}
