/**
 * What the package weighs, as a table: unpacked, and what a browser downloads to start quantizing. Exit code 1 above
 * the limits. Reads dist/: `npm run build` first.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { parseAst } from "rollup/parseAst";

const UNPACKED_LIMIT = 4_000_000;
const DOWNLOAD_LIMIT = 400_000;

/** Files that a module needs: what it imports at once, and `new URL("./file", import.meta.url)`. */
function referencesOf(file) {
  const references = [];
  const visit = (node) => {
    if (!node || typeof node !== "object") return;
    if (/^(Import|Export)\w*Declaration$/.test(node.type) && node.source) references.push(node.source.value);
    if (node.type === "NewExpression" && node.callee.name === "URL") references.push(node.arguments[0].value);
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseAst(readFileSync(file, "utf8")));
  return references.filter((path) => path?.startsWith("./")).map((path) => join(dirname(file), path));
}

/** All files that a browser may ask for after `entry`. */
function reachableFrom(entry) {
  const files = new Set([entry]);
  for (const file of files) {
    if (file.endsWith(".js")) for (const reference of referencesOf(file)) files.add(reference);
  }
  return [...files];
}

const row = (file) => {
  const bytes = readFileSync(file);
  return {
    file: relative("dist", file),
    bytes: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes).length,
  };
};
const sum = (rows, column) => rows.reduce((total, each) => total + each[column], 0);

/** One engine loads one of our two binaries: the larger counts. */
const isOurBinary = ({ file }) => /genie(\.relaxed)?\.wasm$/.test(file);
const rows = reachableFrom("dist/index.js").map(row);
const [largest, ...others] = rows.filter(isOurBinary).sort((a, b) => b.gzip - a.gzip);
if (!largest || !rows.some(({ file }) => file === "worker.js")) {
  throw new Error("dist/index.js does not lead to the worker and the kernels: they could not be counted");
}
const downloaded = rows.filter((each) => !others.includes(each));
const [pack] = JSON.parse(
  execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { encoding: "utf8" }),
);

const table = [
  ...downloaded,
  {
    file: "to start quantizing",
    bytes: sum(downloaded, "bytes"),
    gzip: sum(downloaded, "gzip"),
    brotli: sum(downloaded, "brotli"),
  },
];
const line = (cells) =>
  `${cells[0].padEnd(36)}${cells
    .slice(1)
    .map((cell) => String(cell).padStart(10))
    .join("")}`;
console.log(line(["a browser downloads", "bytes", "gzip", "brotli"]));
for (const { file, bytes, gzip, brotli } of table) console.log(line([file, bytes, gzip, brotli]));
console.log(`limit ${DOWNLOAD_LIMIT} (gzip)\n`);
console.log(
  `${pack.entryCount} files, ${pack.unpackedSize} bytes unpacked (limit ${UNPACKED_LIMIT}), ${pack.size} packed`,
);
process.exitCode = sum(downloaded, "gzip") > DOWNLOAD_LIMIT || pack.unpackedSize > UNPACKED_LIMIT ? 1 : 0;
