/** A plain page: the package's files as they are, no bundler. */

import { runServersJob } from "./browser.mjs";
import * as genie from "./node_modules/genie-wasm/dist/index.js";

await runServersJob(genie);
