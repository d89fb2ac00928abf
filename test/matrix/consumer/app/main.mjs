/** An app for a bundler: the package by its name. */
import * as genie from "genie-wasm";
import { runServersJob } from "../browser.mjs";

await runServersJob(genie);
