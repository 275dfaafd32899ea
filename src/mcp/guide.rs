//! What teaches an agent to use us: a few words at the handshake, a guide to read, and a prompt.

use rmcp::model::{
    ErrorData, GetPromptRequestParams, GetPromptResult, Prompt, PromptArgument, PromptMessage, Resource, Role,
};

/// Said at the handshake.
pub(crate) const INSTRUCTIONS: &str = "Vultrino makes HTTP requests with credentials that you never see. Call \
    list_credentials, then http_request with an alias and an https URL; leave authentication out, it is put in for you. \
    An error says what to do next. Read vultrino://guide for more.";
/// The guide's name.
pub(crate) const URI: &str = "vultrino://guide";
/// The guide.
pub(crate) const GUIDE: &str = include_str!("guide.md");

const PROMPT: &str = "use_vultrino";
const TASK: &str = "task";

/// The guide, in a list.
pub(crate) fn resource() -> Resource {
    Resource::new(URI, "guide")
        .with_title("How to use Vultrino")
        .with_description("How to make requests with credentials that you never see")
        .with_mime_type("text/markdown")
}

/// The prompt, in a list.
pub(crate) fn prompt() -> Prompt {
    let task = PromptArgument::new(TASK).with_description("What shall be done").with_required(false);
    Prompt::new(PROMPT, Some("Do something with an API, with the credentials that Vultrino keeps"), Some(vec![task]))
        .with_title("Use Vultrino")
}

/// The prompt itself.
///
/// # Errors
/// There is no other one, and it has one argument, which is a text.
pub(crate) fn get(request: &GetPromptRequestParams) -> Result<GetPromptResult, ErrorData> {
    if request.name != PROMPT {
        return Err(ErrorData::invalid_params(
            "there is no such prompt; prompts/list shows those that there are",
            None,
        ));
    }
    let arguments = request.arguments.iter().flatten();
    let mut text = GUIDE.to_owned();
    for (name, value) in arguments {
        let task = value.as_str().filter(|_| name == TASK);
        let task = task.ok_or_else(|| ErrorData::invalid_params("the one argument is `task`, a text", None))?;
        text.push_str("\n## Your task\n\n");
        text.push_str(task);
        text.push('\n');
    }
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}
