import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const PACKAGE = /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/;

/** Writes the licences of the libraries that ended up in the bundle beside it, as they ask. */
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
      const texts = await Promise.all([...folders].sort().map(describe));
      this.emitFile({ type: "asset", fileName, source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}

async function describe(folder) {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? await readFile(join(folder, file), "utf8") : "";
  return `${name} ${version}, ${license}\n\n${text.trim()}\n`;
}
