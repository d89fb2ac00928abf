import { describe, expect, it } from "vitest";
import { createProfileReport } from "../../src/report/profile.ts";

const op = (name: string, calls: number, seconds: number) => ({ name, calls, seconds });

describe("profile report", () => {
  it("adds up what all workers say, the longest first, small ones and JavaScript in rows of their own", () => {
    const { add, text } = createProfileReport();
    add({
      stage: "synthesis",
      seconds: 4,
      ops: [op("matMul", 2, 0.5), op("conv2d", 3, 1.5), op("fill", 9, 0.01)],
    });
    add({ stage: "synthesis", seconds: 6, ops: [op("conv2d", 4, 3), op("tfjs Add", 8, 0.02)] });
    add({ stage: "reconstruction", seconds: 1, ops: [op("conv2d", 1, 1)] });
    const [synthesis, reconstruction] = text().trimEnd().split("\n\n");
    const cells = synthesis!.split("\n").map((line) => line.split(/ {2,}/));
    expect(cells).toEqual([
      ["synthesis, all threads together"],
      ["op", "calls", "seconds", "share"],
      cells[2],
      ["conv2d", "7", "4.50", "45.00 %"],
      ["matMul", "2", "0.50", "5.00 %"],
      ["2 others", "17", "0.03", "0.30 %"],
      ["JavaScript, waiting", "4.97", "49.70 %"],
      ["all, 10 s", "10.00", "100.00 %"],
    ]);
    expect(reconstruction).toMatch(/^reconstruction, all threads together\n/);
  });

  it("is empty without a profile", () => {
    expect(createProfileReport().text()).toBe("");
  });
});
