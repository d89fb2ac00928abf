import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { leastLimit } from "../../src/memory/limits.ts";

const text = (
  data: string,
  addresses: string,
) => `Limit                     Soft Limit           Hard Limit           Units
Max data size             ${data}            unlimited            bytes
Max stack size            8388608              unlimited            bytes
Max address space         ${addresses}            unlimited            bytes
`;

it.each([
  ["unlimited", "unlimited", Number.POSITIVE_INFINITY],
  ["358400000", "unlimited", 358400000],
  ["358400000", "100000", 100000],
])("limits of %s and %s bytes allow %f", (data, addresses, expected) => {
  expect(leastLimit(text(data, addresses))).toBe(expected);
});

it("a system that says nothing limits nothing", () => {
  expect(leastLimit("")).toBe(Number.POSITIVE_INFINITY);
});

it.runIf(process.platform === "linux")("reads what a shell has set", async () => {
  const { stdout } = await promisify(execFile)("sh", ["-c", "ulimit -d 500000; cat /proc/self/limits"]);
  expect(leastLimit(stdout)).toBe(500000 * 1024);
});
