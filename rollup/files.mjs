import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/**
 * Names the files beside a bundle the way bundlers look for them: `new URL("./assets/x.wasm", import.meta.url)`.
 * What stands in the code until then is `new URL(reference)`, by importMetaAssets: both arguments are filled in.
 */
export function literalFileUrls() {
  return {
    name: "literal-file-urls",
    resolveFileUrl: ({ relativePath }) => `"./${relativePath}", import.meta.url`,
  };
}

/** Removes what an earlier build left in the output folder, all but `kept`: it would be packed. */
export function noLeftovers({ kept }) {
  return {
    name: "no-leftovers",
    async writeBundle({ dir }, bundle) {
      const entries = await readdir(dir, { recursive: true, withFileTypes: true });
      const files = entries
        .filter((entry) => entry.isFile())
        .map(({ parentPath, name }) => join(parentPath, name));
      const written = new Set(Object.keys(bundle).map((fileName) => join(dir, fileName)));
      const old = files.filter((file) => !written.has(file) && !file.startsWith(join(dir, kept)));
      await Promise.all(old.map((file) => rm(file)));
    },
  };
}

/** What bundlers of web apps must not look into. */
const IGNORED = "/* webpackIgnore: true */ /* @vite-ignore */";

/**
 * Hides the Node modules that are imported when they are needed from bundlers of web apps, which would look for them,
 * and split what loads them into chunks: a worker in Vite's default format must be one.
 */
export function hiddenNodeImports() {
  return {
    name: "hidden-node-imports",
    renderDynamicImport: ({ targetModuleId }) =>
      targetModuleId?.startsWith("node:") ? { left: "((name) => import(name))(", right: ")" } : null,
    // After esbuild, which keeps no comments.
    renderChunk: (code) => ({
      code: code.replaceAll('((name) => import(name))("node:', `((name) => import(${IGNORED} name))("node:`),
      map: null,
    }),
  };
}
