// What every line of the SDK is driven with: steps from standard input, and what came of them as one line of JSON. A step
// is a method and its parameters; a list of steps is taken all at once.
import { readFileSync } from "node:fs";

export const [, , revision, ...target] = process.argv;
export const ours = Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("VULTRINO_")));
export const headers = { Authorization: `Bearer ${ours.VULTRINO_API_KEY}` };

// A connected client, its refusals' class, the revision that it speaks.
export async function takeAll(client, Refusal, spoken) {
    const asked = {
        "ping": () => client.ping(),
        "tools/list": () => client.listTools(),
        "tools/call": (params) => client.callTool(params),
        "resources/list": () => client.listResources(),
        "resources/templates/list": () => client.listResourceTemplates(),
        "resources/read": (params) => client.readResource(params),
        "prompts/list": () => client.listPrompts(),
        "prompts/get": (params) => client.getPrompt(params),
    };
    const take = async ([method, params]) => {
        try {
            return await asked[method](params);
        } catch (error) {
            if (!(error instanceof Refusal)) throw error;
            return { code: error.code, message: error.message };
        }
    };
    const results = [];
    for (const step of JSON.parse(readFileSync(0, "utf8"))) {
        results.push(Array.isArray(step[0]) ? await Promise.all(step.map(take)) : await take(step));
    }
    console.log(JSON.stringify({ revision: spoken, server: client.getServerVersion(), results }));
    await client.close();
}
