import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { COMPILED_ASSETS, COMPILED_PACKAGES, PARTS } from "./compiled.mjs";

const PACKAGE = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/;

/** Writes the licences of the libraries that ended up in the bundle beside it, as they ask, and of what is compiled in. */
export function licenses(fileName) {
  return {
    name: "licenses",
    async generateBundle(_options, bundle) {
      const folders = new Set();
      for (const chunk of Object.values(bundle)) {
        for (const [id, { renderedLength }] of Object.entries(chunk.modules ?? {})) {
          const folder = PACKAGE.exec(id.replace("\0", ""))?.[1];
          if (folder && renderedLength > 0) folders.add(folder);
        }
      }
      const packages = await Promise.all([...folders].sort().map(describe));
      const parts = new Map(packages.flatMap(({ name }) => whereOf(COMPILED_PACKAGES[name], name)));
      for (const file of Object.keys(bundle).map((path) => basename(path))) {
        if (!file.endsWith(".wasm")) continue;
        const compiled = COMPILED_ASSETS[file];
        if (!compiled) this.error(`${file} is in no list of rollup/compiled.mjs: what is compiled into it?`);
        for (const [part, where] of whereOf(compiled, file)) {
          parts.set(part, parts.has(part) ? `${parts.get(part)}, ${where}` : where);
        }
      }
      const texts = [
        ...packages.map(({ text }) => text),
        ...(await Promise.all([...parts].map(describePart))),
      ];
      this.emitFile({ type: "asset", fileName, source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

const whereOf = (parts = [], file) => parts.map((part) => [part, file]);

async function describe(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  // Who brings no text has Apache's, which is this package's own.
  if (!file && !license.includes("Apache-2.0"))
    throw new Error(`${name} has no text of its licence, ${license}`);
  const text = await readFile(file ? join(folder, file) : new URL("../LICENSE", import.meta.url), "utf8");
  return { name, text: `${name} ${version}, ${license}\n\n${text.trim()}\n` };
}

async function describePart([part, where]) {
  const { name, license, text } = PARTS[part];
  const words = await readFile(new URL(text, import.meta.url), "utf8");
  return `${name}, in ${where}, ${license}\n\n${words.trim()}\n`;
}
