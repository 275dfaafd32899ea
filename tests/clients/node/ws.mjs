import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const WebSocket = require("ws");
const { HttpsProxyAgent } = require("https-proxy-agent");
const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY);
const socket = new WebSocket(`${process.argv[2].replace("https://", "wss://")}/echo?a=1`, { agent });
const heard = (name) => new Promise((resolve, reject) => {
    socket.once(name, resolve);
    socket.once("error", reject);
});
await heard("open");
socket.send("whole");
console.log(String(await heard("message")));
socket.ping();
await heard("pong");
const message = Buffer.alloc(1_000_000, "0123456789");
socket.send(message);
if (!message.equals(await heard("message"))) throw new Error("another message");
socket.close();
await heard("close");
