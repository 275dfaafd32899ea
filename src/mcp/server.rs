//! What the SDK asks of a server: who we are, and where each request goes.

use http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, ContentBlock, CustomRequest, CustomResult, ErrorCode,
        Extensions, GetPromptRequestParams, GetPromptResponse, Implementation, ListPromptsResult,
        ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
        ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};

use crate::{
    base::task::caught,
    exchange::{
        Door, Refusal, Visitor,
        open::{Call, Word},
    },
    mcp::{Mcp, caller::Callers, failure::Failure, guide, http::Weight, resources, tools},
};

/// One connection's server, or one request's.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    mcp: Mcp,
    callers: Callers,
}

impl Server {
    pub(crate) fn new(mcp: Mcp, callers: Callers) -> Self {
        Self { mcp, callers }
    }

    /// Who asks for a list, or a text.
    fn visitor(&self, context: &RequestContext<RoleServer>) -> Result<Visitor, ErrorData> {
        self.callers.find(&self.mcp, &context.extensions).map_err(|refusal| Failure::from(refusal).into())
    }

    /// Writes the line of a call of somebody who is not known.
    fn turn_away(&self, refusal: Refusal) -> Failure {
        let call = Call {
            door: Door::Mcp,
            action: "mcp_refused",
            source: None,
            method: "",
            target: "",
            alias: "",
            key: self.callers.key(),
            principal: None,
        };
        let noted = self.mcp.exchange().note(&call, &Word::of(&refusal));
        noted.err().unwrap_or(refusal).into()
    }
}

/// Says how long the answer to a request over HTTP will be at least, in bytes, before it is written.
fn weigh(extensions: &Extensions, bytes: usize) {
    if let Some(weight) = extensions.get::<Parts>().and_then(|it| it.extensions.get::<Weight>()) {
        weight.set(bytes);
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_prompts().enable_resources().enable_tools().build();
        let named = Implementation::new("vultrino", env!("CARGO_PKG_VERSION")).with_title("Vultrino");
        ServerConfig::new(capabilities).with_server_info(named).with_instructions(guide::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let visitor = self.visitor(&context)?;
        Ok(ListToolsResult::with_all_items(tools::of(&visitor.principal))
            .with_cache_scope(CacheScope::Private)
            .with_ttl_ms(0))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let visitor = match self.callers.find(&self.mcp, &context.extensions) {
            Ok(visitor) => visitor,
            Err(refusal) => return Ok(self.turn_away(refusal).result().into()),
        };
        let gone = context.ct.cancelled();
        let called = caught(tools::call(&self.mcp, &visitor, &request.name, request.arguments, gone)).await;
        let result = called.unwrap_or_else(|| Ok(Failure::from(Refusal::Internal).result()))?;
        weigh(
            &context.extensions,
            result.content.iter().filter_map(ContentBlock::as_text).map(|it| it.text.len()).sum(),
        );
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let visitor = self.visitor(&context)?;
        let listed = resources::list(&self.mcp, &visitor).await?;
        weigh(&context.extensions, listed.len() * resources::LONGEST);
        Ok(ListResourcesResult::with_all_items(listed).with_cache_scope(CacheScope::Private).with_ttl_ms(0))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        let visitor = self.visitor(&context)?;
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates(&visitor.principal))
            .with_cache_scope(CacheScope::Private)
            .with_ttl_ms(0))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let visitor = self.visitor(&context)?;
        let read = resources::read(&self.mcp, &visitor, &request.uri).await?;
        Ok(read.with_cache_scope(CacheScope::Private).with_ttl_ms(0).into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![guide::prompt()])
            .with_cache_scope(CacheScope::Private)
            .with_ttl_ms(0))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        Ok(guide::get(&request)?.into())
    }

    async fn on_custom_request(
        &self,
        _: CustomRequest,
        _: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, "there is no such method", None))
    }
}
