//! What an agent may read without calling a tool: the guide, and each credential of its scope.

use rmcp::model::{ErrorData, ReadResourceResult, Resource, ResourceContents, ResourceTemplate};

use crate::{
    credential::Credential,
    exchange::{Visitor, open::Word},
    identity::{Permission, Principal},
    mcp::{
        Mcp,
        credentials::{about, plain, seen},
        failure::Failure,
        guide, tools,
    },
};

/// What the name of a credential's resource begins with.
const CREDENTIALS: &str = "vultrino://credentials/";
const JSON: &str = "application/json";

/// About the most bytes of one resource in a list.
pub(crate) const LONGEST: usize = 1024;

/// All that this caller may read.
///
/// # Errors
/// The store cannot be read; too many asked before.
pub(crate) async fn list(mcp: &Mcp, visitor: &Visitor) -> Result<Vec<Resource>, Failure> {
    let mut all = vec![guide::resource()];
    if visitor.principal.may(Permission::Read) {
        all.extend(seen(mcp, visitor, |seen| seen.iter().map(|it| of(it)).collect::<Vec<_>>()).await?);
    }
    Ok(all)
}

fn of(credential: &Credential) -> Resource {
    let alias = &credential.alias;
    let resource = Resource::new(format!("{CREDENTIALS}{alias}"), format!("credentials/{alias}"));
    let resource = resource.with_title(alias.as_str()).with_mime_type(JSON);
    match &credential.description {
        Some(description) => resource.with_description(plain(description)),
        None => resource,
    }
}

/// How names of resources are made.
pub(crate) fn templates(principal: &Principal) -> Vec<ResourceTemplate> {
    let template = || {
        ResourceTemplate::new(format!("{CREDENTIALS}{{alias}}"), "credential")
            .with_title("A credential")
            .with_description(
                "Its type, the hosts that it may be used against, and the methods that may be used. Never the secret.",
            )
            .with_mime_type(JSON)
    };
    principal.may(Permission::Read).then(template).into_iter().collect()
}

/// Reads one.
///
/// # Errors
/// There is none of this name that the caller may read: one answer, whether or not it is there for others.
pub(crate) async fn read(mcp: &Mcp, visitor: &Visitor, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    if uri == guide::URI {
        return Ok(ReadResourceResult::new(vec![contents(guide::GUIDE.to_owned(), uri, "text/markdown")]));
    }
    let none =
        || ErrorData::resource_not_found("there is no such resource; resources/list shows those that there are", None);
    let alias = uri.strip_prefix(CREDENTIALS).ok_or_else(none)?;
    let found = about(mcp, visitor, alias.to_owned()).await;
    let word = found.as_ref().map_or_else(|failure| failure.word, |_| Some(Word::OK));
    if let Some(word) = word {
        tools::note(mcp, visitor, "read_resource", alias, &word).map_err(Failure::from)?;
    }
    match found {
        Ok(about) => Ok(ReadResourceResult::new(vec![contents(about.text, uri, JSON)])),
        Err(failure) if matches!(failure.code, "credential_not_found" | "permission_denied" | "invalid_request") => {
            Err(none())
        }
        Err(failure) => Err(failure.into()),
    }
}

fn contents(text: String, uri: &str, kind: &str) -> ResourceContents {
    ResourceContents::TextResourceContents { uri: uri.to_owned(), mime_type: Some(kind.to_owned()), text, meta: None }
}
