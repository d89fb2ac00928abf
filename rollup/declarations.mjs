import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { promisify } from "node:util";

const SPECIFIER = /(from\s+|import\()"(\.[^"]*)\.ts"/g;

/**
 * Type declarations for the package: those that `entry` reaches and no others, so that no type of a bundled
 * library is among them. Import paths end in .js, as every resolver expects them.
 *
 * @param emitted Where `tsc -p tsconfig.build.json` writes.
 */
export function declarations({ entry, emitted, to }) {
  return {
    name: "declarations",
    async writeBundle() {
      await rm(emitted, { recursive: true, force: true });
      await promisify(execFile)("tsc", ["-p", "tsconfig.build.json", "--outDir", emitted]).catch((error) =>
        this.error(`tsc: ${error.stdout || error.message}`),
      );
      await rm(to, { recursive: true, force: true });
      const queue = [join(emitted, entry)];
      for (const file of queue) {
        const text = await readFile(file, "utf8");
        const target = join(to, relative(emitted, file));
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, text.replace(SPECIFIER, '$1"$2.js"'));
        for (const [, , path] of text.matchAll(SPECIFIER)) {
          const next = join(dirname(file), `${path}.d.ts`);
          if (!queue.includes(next)) queue.push(next);
        }
        const foreign = /from "(?!\.)([^"]*)"/.exec(text);
        if (foreign) this.error(`${target} needs types of ${foreign[1]}, which the package does not ship`);
      }
    },
  };
}
