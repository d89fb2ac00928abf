import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { probeArithmetic } from "../../src/kernels/arithmetic.ts";

const FACADE = new URL("../../dist/index.js", import.meta.url).href;

/** What a session of the built package says in a process of its own. */
async function arithmeticOf(binary: string, flags: readonly string[]): Promise<string> {
  const program = `
    const { openSession } = await import(${JSON.stringify(FACADE)});
    const session = await openSession({ workers: 0, binary: ${JSON.stringify(binary)} });
    process.stdout.write(session.arithmetic);
    session.close();`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [...flags, "--input-type=module", "--eval", program],
    { cwd: fileURLToPath(new URL(".", import.meta.url)) },
  );
  return stdout;
}

it("of the baseline binary is the same everywhere", async () => {
  expect(await probeArithmetic("baseline")).toBe("baseline");
  expect(await arithmeticOf("baseline", ["--no-enable-fma3"])).toBe("baseline");
});

it.runIf(process.arch === "x64")("of the relaxed binary is that of the processor", async () => {
  expect(await arithmeticOf("relaxed", ["--no-enable-fma3"])).toBe("relaxed-mul-add");
  expect(await arithmeticOf("relaxed", [])).toMatch(/^relaxed-(fma|mul-add)$/);
});
