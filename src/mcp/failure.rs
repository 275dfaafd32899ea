//! What goes wrong, as an agent reads it: a code, what it means, and what to do next.

use rmcp::model::{CallToolResult, ContentBlock, ErrorData};
use serde_json::json;

use crate::{
    audit::{Outcome, Unavailable},
    base::{host::HostError, target::TargetError},
    exchange::{Refusal, open::Word},
    manage::ManageError,
};

/// Why a tool does not do what it was called for.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: &'static str,
    pub(crate) message: String,
    /// What the audit log shall say of it, unless it does already.
    pub(crate) word: Option<Word>,
}

impl Failure {
    /// The arguments are not what the tool takes. The text quotes nothing of them.
    pub(crate) fn invalid(why: impl std::fmt::Display) -> Self {
        let word = Word { status: 400, code: "invalid_request", reason: None, outcome: Outcome::Denied };
        let message = format!("The arguments are not valid: {why}. Correct them and call again.");
        Self { code: "invalid_request", message, word: Some(word) }
    }

    /// A type of credential that nobody knows.
    pub(crate) fn kind() -> Self {
        let message = "There is no such type of credential. `type` is `api_key` or `basic_auth`.".to_owned();
        Self { code: "invalid_type", message, ..Self::invalid("") }
    }

    /// The audit log has its line.
    pub(crate) fn on_record(self) -> Self {
        Self { word: None, ..self }
    }

    /// The same under another code.
    pub(crate) fn called(self, from: &str, to: &'static str) -> Self {
        if self.code == from { Self { code: to, ..self } } else { self }
    }

    /// For the agent: as text alone, since clients hold what is structured to the schema of the tool's answers.
    pub(crate) fn result(&self) -> CallToolResult {
        let error = json!({ "error": { "code": self.code, "message": self.message } });
        CallToolResult::error(vec![ContentBlock::text(error.to_string())])
    }
}

/// Where there is no tool's result to say it in.
impl From<Failure> for ErrorData {
    fn from(Failure { code, message, .. }: Failure) -> Self {
        Self::invalid_request(message, Some(json!({ "code": code })))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (code, next) = meaning(&refusal);
        let message = format!("{}. {next}", refusal.message());
        Self { code, message, word: Some(Word::of(&refusal)) }
    }
}

impl From<ManageError> for Failure {
    fn from(error: ManageError) -> Self {
        let word =
            Word { status: error.status(), code: error.code(), reason: error.reason(), outcome: error.outcome() };
        let (code, next) = match error {
            ManageError::Unauthorized => return Refusal::Unauthorized.into(),
            ManageError::Forbidden(permission) => return Refusal::Forbidden(permission).into(),
            ManageError::OutOfScope(alias) => return Refusal::OutOfScope(alias).into(),
            ManageError::NotFound(alias) => return Refusal::NotFound(alias).into(),
            ManageError::Unrecorded(Unavailable::NoSlot) => return Refusal::Overloaded.into(),
            ManageError::Unrecorded(_) => return Refusal::AuditUnavailable.into(),
            ManageError::AliasTaken(alias) => {
                let message =
                    format!("There is a credential '{alias}' already, and it stays as it is. Choose another alias.");
                return Self { code: "alias_exists", message, word: Some(word) };
            }
            ref error if error.status() >= 500 => {
                tracing::error!(error = error as &dyn std::error::Error, "a tool failed");
                return Refusal::Internal.into();
            }
            ref error if error.status() == 403 => ("permission_denied", ASK),
            ManageError::Store(_) => ("internal_error", ASK),
            _ => ("invalid_request", "Correct it and call again"),
        };
        Self { code, message: format!("{error}. {next}."), word: Some(word) }
    }
}

const ASK: &str = "Ask the person who runs Vultrino";
const LIST: &str = "Call list_credentials to see which there are.";

/// The code for agents, and what to do next.
fn meaning(refusal: &Refusal) -> (&'static str, String) {
    use Refusal as R;
    let told = |code, next: &str| (code, next.to_owned());
    match refusal {
        R::NotFound(_) => told("credential_not_found", LIST),
        R::OutOfScope(_) => told("permission_denied", LIST),
        R::Forbidden(_) => told("permission_denied", "Ask the person who runs Vultrino for a key with another role."),
        R::Unbound(alias) => {
            let next = format!(
                "It is bound to no host, so it is of no use yet: ask the person who runs Vultrino to run: vultrino bind \
                 {alias} HOST"
            );
            ("policy_denied", next)
        }
        R::HostNotBound(alias) => {
            let next = format!(
                "Use an https URL of its own hosts (get_credential_info names them), or ask the person who runs Vultrino to \
                 run: vultrino bind {alias} HOST"
            );
            ("policy_denied", next)
        }
        R::Plaintext(_) => told("policy_denied", "Use https:// in the URL."),
        R::Policy(_) => told("policy_denied", "Do not try again unchanged; ask the person who runs Vultrino."),
        R::Address | R::Target(TargetError::Authority(HostError::Disguised)) | R::Unmatched | R::Port | R::Loop => {
            told("policy_denied", "Use another URL.")
        }
        R::RateLimited(it) => {
            let next = format!("Wait {} s before you call again.", it.retry_after.as_secs().max(1));
            ("rate_limited", next)
        }
        R::Unauthorized
        | R::ProxyUnauthorized
        | R::KeylessKey
        | R::ProxyKeylessKey
        | R::KeyMissing
        | R::ProxyKeyMissing
        | R::Revoked => {
            told("unauthorized", "Ask the person who runs Vultrino for a new API key; this one is of no more use.")
        }
        R::Unreachable | R::ConnectTimeout | R::ParentUnauthorized | R::BadAnswer => {
            told("upstream_error", "Check the host in the URL, or call again later.")
        }
        R::Timeout(_) => told("upstream_error", "It may have done what was asked; look before you call again."),
        R::AuditUnavailable => told("audit_unavailable", "Call again later; ask the person who runs Vultrino."),
        R::Overloaded | R::Crowding => told("overloaded", "Call again in a second."),
        R::Internal => told("internal_error", "Ask the person who runs Vultrino to look into its log."),
        R::Invalid(_)
        | R::Target(_)
        | R::Method
        | R::MissingCredential
        | R::AmbiguousCredential(_)
        | R::ForeignPage
        | R::ForeignHost
        | R::NoSuchPath
        | R::Misdirected
        | R::ServerName
        | R::TooLarge
        | R::UriTooLong
        | R::HeadersTooLarge
        | R::Expectation
        | R::LastRecipient
        | R::ClientGone => told("invalid_request", "Correct it and call again."),
    }
}
