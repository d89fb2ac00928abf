/**
 * The kernels live in tfjs's memory, so a data segment would overwrite tfjs's own data: refuse the build.
 */
import { readFileSync } from "node:fs";

const DATA_SECTION = 11;

/** Ids of the sections of a wasm binary, in order. */
function sections(bytes) {
  const ids = [];
  for (let at = 8; at < bytes.length; ) {
    ids.push(bytes[at++]);
    let size = 0;
    let shift = 0;
    let byte;
    do {
      byte = bytes[at++];
      size |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte & 0x80);
    at += size;
  }
  return ids;
}

const checked = (file) => {
  const bytes = readFileSync(new URL(`../build/${file}`, import.meta.url));
  if (sections(bytes).includes(DATA_SECTION)) {
    throw new Error(`${file} has a data segment; it would overwrite tfjs's memory. Remove static data from assembly/.`);
  }
  return bytes;
};

const baseline = checked("genie.wasm");
checked("genie.relaxed.wasm");
const names = WebAssembly.Module.exports(new WebAssembly.Module(baseline)).map(({ name }) => name);
console.log(`kernels: ${names.length} exports, ${baseline.length} bytes, no data segment`);
