import { createRequire } from "node:module";
import { exchange } from "./exchange.mjs";

const { EnvHttpProxyAgent, fetch, setGlobalDispatcher } = createRequire(import.meta.url)(process.argv[3] || "undici");
setGlobalDispatcher(new EnvHttpProxyAgent());
await exchange(fetch);
