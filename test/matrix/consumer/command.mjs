/** Runs the job in job.json where files can be read: Node and Deno. The last line of the output is its outcome. */
import { readFile } from "node:fs/promises";
import * as genie from "genie-wasm";
import { runJob } from "./job.mjs";

const read = async (file) => new Uint8Array(await readFile(new URL(file, import.meta.url)));
const job = JSON.parse(await readFile(new URL("job.json", import.meta.url), "utf8"));
console.log(JSON.stringify(await runJob(genie, job, read)));
