// The SDK's first line, from the package that is named: it offers the newest revision that it knows.
import { createRequire } from "node:module";

import { headers, ours, revision as name, takeAll, target } from "./mcp_steps.mjs";

const require = createRequire(import.meta.url);
const { Client } = require(`${name}/client/index.js`);
const { StdioClientTransport } = require(`${name}/client/stdio.js`);
const { StreamableHTTPClientTransport } = require(`${name}/client/streamableHttp.js`);
const { McpError } = require(`${name}/types.js`);

// Keeps the revision that the server chose, which this line tells nobody.
class Keeping extends Client {
    async request(request, ...more) {
        const result = await super.request(request, ...more);
        this.revision ??= result.protocolVersion;
        return result;
    }
}

const client = new Keeping({ name: "test", version: "1" });
const [command, ...args] = target;
await client.connect(command.startsWith("http")
    ? new StreamableHTTPClientTransport(new URL(command), { requestInit: { headers } })
    : new StdioClientTransport({ command, args, env: ours }));
await takeAll(client, McpError, client.revision);
