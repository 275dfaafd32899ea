//! The tools: who may use them, and how a call is answered and recorded.

use rmcp::model::{CallToolResult, ContentBlock, ErrorData, JsonObject, Tool};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    base::json::why,
    exchange::{
        Door, Refusal, Visitor,
        open::{Call, Word},
    },
    identity::Principal,
    mcp::{
        Mcp,
        catalogue::{KNOWN, Name},
        credentials,
        failure::Failure,
        requests,
    },
};

/// Those that this caller may use.
pub(crate) fn of(principal: &Principal) -> Vec<Tool> {
    KNOWN.iter().filter(|it| principal.may(it.needs)).map(|it| it.tool.clone()).collect()
}

/// Calls one. Every call has its line in the audit log. `gone` is ready when nobody waits for the answer any more.
///
/// # Errors
/// There is no such tool.
pub(crate) async fn call(
    mcp: &Mcp,
    visitor: &Visitor,
    name: &str,
    arguments: Option<JsonObject>,
    gone: impl Future<Output = ()> + Send,
) -> Result<CallToolResult, ErrorData> {
    let Some(known) = KNOWN.iter().find(|it| it.tool.name == name) else {
        return Err(ErrorData::invalid_params("there is no such tool; tools/list shows those that there are", None));
    };
    let arguments = Value::Object(arguments.unwrap_or_default());
    let alias = alias(&arguments);
    let done = match known.name {
        _ if !visitor.principal.may(known.needs) => Err(Refusal::Forbidden(known.needs).into()),
        Name::List => credentials::list(mcp, visitor, arguments).await,
        Name::Info => credentials::info(mcp, visitor, arguments).await,
        Name::Request => requests::run(mcp, visitor, arguments, gone).await,
        Name::Add => credentials::add(mcp, visitor, arguments).await,
        Name::Delete => credentials::delete(mcp, visitor, arguments).await,
    };
    let looked = matches!(known.name, Name::List | Name::Info);
    let word = match &done {
        Ok(_) => looked.then_some(Word::OK),
        Err(failure) => failure.word,
    };
    let noted = word.map_or(Ok(()), |word| note(mcp, visitor, known.name.action(), &alias, &word));
    Ok(match noted.map_err(Failure::from).and(done) {
        Ok(told) => told.result(),
        Err(failure) => failure.result(),
    })
}

/// What a tool gives, twice: for programs, and as text for those that read that alone.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) text: String,
    value: Value,
}

impl Told {
    /// These two of it.
    pub(crate) fn of(it: &impl Serialize) -> Self {
        let text = serde_json::to_string(it).unwrap_or_default();
        Self { text, value: serde_json::to_value(it).unwrap_or_default() }
    }

    fn result(self) -> CallToolResult {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.text)]);
        result.structured_content = Some(self.value);
        result
    }
}

/// Writes the line of what is neither an exchange nor a change.
pub(crate) fn note(
    mcp: &Mcp,
    visitor: &Visitor,
    action: &'static str,
    alias: &str,
    word: &Word,
) -> Result<(), Refusal> {
    let call = Call {
        door: Door::Mcp,
        action,
        source: visitor.arrival.source,
        method: "",
        target: "",
        alias,
        key: visitor.key,
        principal: Some(&visitor.principal),
    };
    mcp.exchange().note(&call, word)
}

/// Reads arguments.
///
/// # Errors
/// They are not what the tool takes. The text quotes nothing of them: they may hold a secret.
pub(crate) fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Failure> {
    serde_path_to_error::deserialize(arguments).map_err(|error| {
        let (path, why) = (error.path().iter().next().map(ToString::to_string), why(error.inner()));
        match path {
            // Where the name itself is wrong it is not one of ours.
            Some(name) if why.starts_with("expected ") => Failure::invalid(format_args!("in `{name}`: {why}")),
            _ => Failure::invalid(why),
        }
    })
}

/// The credential that a call is about, as the caller says it.
fn alias(arguments: &Value) -> String {
    ["credential", "alias"].iter().find_map(|it| arguments[*it].as_str()).unwrap_or_default().to_owned()
}
