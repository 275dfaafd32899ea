// The SDK's second line, in the revision that is named, or `auto` for its own choice.
import { createRequire } from "node:module";

import { headers, ours, revision, takeAll, target } from "./mcp_steps.mjs";

const require = createRequire(import.meta.url);
const { Client, ProtocolError, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

const modes = { "auto": { mode: "auto" }, "2026-07-28": { mode: { pin: revision } } };
const options = modes[revision]
    ? { versionNegotiation: modes[revision] }
    : { supportedProtocolVersions: [revision] };
const client = new Client({ name: "test", version: "1" }, options);
const [command, ...args] = target;
await client.connect(command.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(command), { requestInit: { headers } })
    : new StdioClientTransport({ command, args, env: ours }));
await takeAll(client, ProtocolError, client.getNegotiatedProtocolVersion());
