import { createRequire } from "node:module";

const [, , base, name] = process.argv;
const axios = createRequire(import.meta.url)(name);
process.stdout.write((await axios.get(`${base}/whole`)).data);
process.stdout.write((await axios.post(`${base}/echo`, "posted\n")).data);
