import { describe, expect, test } from "vitest";
import { compareRuns } from "../../bench/compare.ts";
import type { Row } from "../../bench/harness.ts";
import { measure, median } from "../../bench/harness.ts";
import { formatTable, insertTable } from "../../bench/report.ts";
import { isWanted } from "../../bench/tables.ts";

const rate: Row = { table: "gemm", row: "8×8", unit: "GFLOP/s", ours: 80, peers: { tfjs: 20 }, ceiling: 100 };
const time: Row = { table: "gemm", row: "all", unit: "ms", ours: 4, peers: { torch: 6 }, ceiling: null };
const cells = (text: string): string[][] => text.split("\n").map((line) => line.trim().split(/\s{2,}/));

describe("formatTable", () => {
  test("states the share of the ceiling, and how many times better ours is, whichever way better lies", () => {
    expect(cells(formatTable([rate]))).toEqual([
      ["gemm", "ours", "unit", "ceiling", "of it", "tfjs", "×"],
      ["8×8", "80.0", "GFLOP/s", "100", "80 %", "20.0", "4.00"],
    ]);
    expect(cells(formatTable([time]))[1]).toEqual(["all", "4.00", "ms", "6.00", "1.50"]);
  });

  test("a row without a peer that others have shows that it has none", () => {
    expect(cells(formatTable([rate, { ...rate, peers: {} }]))[2]).toContain("–");
  });
});

test("compareRuns puts rows that several runs have side by side", () => {
  const node = { name: "node", rows: [rate, time, { ...rate, row: "only here" }] };
  const deno = { name: "deno", rows: [{ ...rate, ours: 60 }, time] };
  const lines = cells(compareRuns([node, deno], undefined)).slice(1, -1);
  expect(lines).toEqual([
    ["ours", "unit", "node", "deno"],
    ["gemm: 8×8", "GFLOP/s", "80.0 (80 %)", "60.0 (60 %)"],
    ["gemm: all", "ms", "4.00", "4.00"],
  ]);
  expect(compareRuns([node, deno], ["ALL"])).not.toContain("8×8");
});

describe("insertTable", () => {
  const document = "a\n<!-- results: x -->\nold\n<!-- end -->\nb\n<!-- results: y -->\nkept\n<!-- end -->\n";

  test("replaces what stands in its place, and nothing else; again and again", () => {
    const once = insertTable(document, "x", "costs $1 & more");
    expect(once).toBe(document.replace("\nold\n", "\n\ncosts $1 & more\n\n"));
    expect(insertTable(once, "x", "costs $1 & more")).toBe(once);
  });

  test("leaves a document without the place alone", () => {
    expect(insertTable(document, "z", "text")).toBe(document);
  });
});

test("isWanted: any of the texts, in any case; all rows without texts", () => {
  expect(isWanted("ResNet-20 × 128", ["resnet", "kws"])).toBe(true);
  expect(isWanted("ResNet-20 × 128", ["kws"])).toBe(false);
  expect(isWanted("ResNet-20 × 128", undefined)).toBe(true);
});

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
  [[7], 7],
])("median of %j", (values, expected) => {
  expect(median(values)).toBe(expected);
});

describe("measure", () => {
  /** Time passes only in the work. */
  function simulated() {
    let now = 0;
    const takes = (milliseconds: number) => () => {
      now += milliseconds;
    };
    return { takes, notes: [] as string[], environment: { name: "here", clock: () => now } as never };
  }

  test("gives milliseconds a call, of ours and of peers", async () => {
    const { takes, notes, environment } = simulated();
    const settings = { environment, note: (text: string) => notes.push(text) };
    const times = await measure(settings, { ours: takes(0.5) }, { peer: takes(400), absent: undefined });
    expect(times.ours).toBeCloseTo(0.5);
    expect(times.peer).toBeCloseTo(400);
    expect("absent" in times).toBe(false);
    expect(notes).toEqual([]);
  });

  test("a peer that fails is left out and named, ours ends the run", async () => {
    const { takes, notes, environment } = simulated();
    const settings = { environment, note: (text: string) => notes.push(text) };
    const fail = () => {
      throw new Error("out of memory\nat …");
    };
    expect(await measure(settings, { ours: takes(1) }, { peer: fail })).toEqual({ ours: 1 });
    expect(notes).toEqual(["peer fails in here: Error: out of memory"]);
    await expect(measure(settings, { ours: fail })).rejects.toThrow("out of memory");
  });
});
