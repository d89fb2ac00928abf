/**
 * ES modules with everything inside: dist/index.js (the facade), dist/worker.js (what it starts), dist/cli.js (the
 * command) and what they share, all in one folder: "./worker.js" is beside whoever asks for it.
 * The wasm binaries and the demo's files become files beside them, found through `import.meta.url`.
 */
import { chmod } from "node:fs/promises";
import commonjs from "@rollup/plugin-commonjs";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import { importMetaAssets } from "@web/rollup-plugin-import-meta-assets";
import esbuild from "rollup-plugin-esbuild";
import { chunkOf } from "./rollup/chunks.mjs";
import { declarations } from "./rollup/declarations.mjs";
import { hiddenNodeImports, literalFileUrls, noLeftovers } from "./rollup/files.mjs";
import { licenses } from "./rollup/licenses.mjs";
import { tfjsForEveryRuntime } from "./rollup/tfjs.mjs";

/** Lets a shell run a bundled file by its name. */
function executable(fileName) {
  return {
    name: "executable",
    renderChunk: (code, chunk) =>
      chunk.fileName === fileName ? { code: `#!/usr/bin/env node\n${code}`, map: null } : null,
    writeBundle: ({ dir }) => chmod(`${dir}/${fileName}`, 0o755),
  };
}

export default {
  input: { index: "src/index.ts", worker: "src/workers/worker.ts", cli: "src/cli/main.ts" },
  output: {
    dir: "dist",
    format: "es",
    chunkFileNames: "[name].js",
    manualChunks: chunkOf,
    assetFileNames: "assets/[name][extname]",
  },
  external: [/^node:/],
  plugins: [
    tfjsForEveryRuntime(),
    nodeResolve({ preferBuiltins: true }),
    // What tfjs would ask Node for, and does without.
    commonjs({ ignore: ["crypto", "fs", "path"] }),
    // Whitespace and names stay: Node prints the line that an error comes from, and bundlers minify by themselves.
    esbuild({ target: "es2022", minifySyntax: true }),
    // The worker is an entry, not a file to be copied.
    importMetaAssets({ exclude: "src/workers/**" }),
    literalFileUrls(),
    hiddenNodeImports(),
    executable("cli.js"),
    noLeftovers({ kept: "types" }),
    licenses("THIRD-PARTY-LICENSES.txt"),
    declarations({ entry: "index.d.ts", emitted: "build/types", to: "dist/types" }),
  ],
  onwarn(warning, warn) {
    // tfjs-core is one ring of modules, protobuf's helpers ask for a top-level `this`: both work without.
    const isHarmless = ["CIRCULAR_DEPENDENCY", "THIS_IS_UNDEFINED"].includes(warning.code);
    const isInLibrary = [warning.id, ...(warning.ids ?? [])].every(
      (id) => !id || id.includes("node_modules"),
    );
    if (!isHarmless || !isInLibrary) warn(warning);
  },
};
