"""The SDK's first line, in the revision that is named."""

import asyncio

import httpx
from mcp import ClientSession, McpError, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp_steps import BEARER, OURS, REVISION, TARGET, take_all

types.LATEST_PROTOCOL_VERSION = REVISION


async def main():
    async with httpx.AsyncClient(headers=BEARER, timeout=60) as http:
        if TARGET[0].startswith("http"):
            server = streamable_http_client(TARGET[0], http_client=http)
        else:
            server = stdio_client(StdioServerParameters(command=TARGET[0], args=TARGET[1:], env=OURS))
        async with server as (read, write, *_), ClientSession(read, write) as session:
            met = await session.initialize()
            await take_all(session, met.protocolVersion, met.serverInfo, McpError)


asyncio.run(main())
