import { exchange } from "./exchange.mjs";

await exchange(fetch);
