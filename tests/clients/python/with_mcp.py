"""The SDK's second line, in the revision that is named, or `auto` for its own choice."""

import asyncio
import warnings

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_steps import BEARER, OURS, REVISION, TARGET, take_all

# `ping` is one; the older revisions have it.
warnings.simplefilter("ignore", MCPDeprecationWarning)
MODES = {"auto": "auto", "2025-11-25": "legacy", "2026-07-28": "2026-07-28"}


async def main():
    async with httpx2.AsyncClient(headers=BEARER, timeout=60) as http:
        if TARGET[0].startswith("http"):
            server = streamable_http_client(TARGET[0], http_client=http)
        else:
            server = StdioServerParameters(command=TARGET[0], args=TARGET[1:], env=OURS)
        async with Client(server, mode=MODES[REVISION]) as client:
            await take_all(client.session, client.protocol_version, client.server_info, MCPError)


asyncio.run(main())
