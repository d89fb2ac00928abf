/** Who distributes binaries distributes what is compiled into them. Reads dist/: `npm run bundle` first. */
import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";
// @ts-expect-error: a build script without types
import { COMPILED_ASSETS, COMPILED_PACKAGES, PARTS } from "../../rollup/compiled.mjs";

interface Part {
  name: string;
  license: string;
  text: string;
}

const ROOT = new URL("../../", import.meta.url);
const licenses = await readFile(new URL("dist/THIRD-PARTY-LICENSES.txt", ROOT), "utf8");
const parts = Object.entries(PARTS as Record<string, Part>);
const lists = (file: string): string[] => COMPILED_ASSETS[file] ?? [];

it("every binary of the package has a list of what is compiled into it", async () => {
  const files = await readdir(new URL("dist/assets/", ROOT));
  const binaries = files.filter((name) => name.endsWith(".wasm"));
  expect(binaries.sort()).toEqual(Object.keys(COMPILED_ASSETS).sort());
  for (const binary of binaries) expect(lists(binary).length).toBeGreaterThan(0);
});

it.each(parts)(
  "%s is named with its whole text and with where it is",
  async (part, { name, license, text }) => {
    const words = await readFile(new URL(`rollup/${text}`, ROOT), "utf8");
    expect(words.trim().length).toBeGreaterThan(400);
    const where = [
      ...Object.keys(COMPILED_PACKAGES).filter((library) => COMPILED_PACKAGES[library].includes(part)),
      ...Object.keys(COMPILED_ASSETS).filter((file) => lists(file).includes(part)),
    ];
    expect(where.length).toBeGreaterThan(0);
    const entry = licenses.split(/^-{80}$/m).find((each) => each.trim().startsWith(`${name}, in `));
    expect(entry).toContain(`, ${license}\n\n${words.trim()}\n`);
    for (const file of where) expect(entry!.split("\n").find((line) => line !== "")).toContain(file);
  },
);

it("every library has the text of its licence", () => {
  for (const entry of licenses.split(/^-{80}$/m)) {
    const [title, ...text] = entry.trim().split("\n");
    expect(text.join("\n").trim().length, title).toBeGreaterThan(150);
  }
});
