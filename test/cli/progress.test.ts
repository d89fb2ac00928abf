import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import {
  bar,
  createEta,
  describe as describeProgress,
  liveLines,
  plainLine,
} from "../../src/cli/progress.ts";
import { createReporter } from "../../src/cli/reporter.ts";
import type { Progress } from "../../src/progress.ts";

function synthesis(iteration: number, batch = 0): Progress {
  const [batches, iterations] = [2, 100];
  const fraction = (batch + iteration / iterations) / batches;
  return { stage: "synthesis", batch, batches, iteration, iterations, loss: 12.3456, fraction };
}

const block: Progress = {
  stage: "reconstruction",
  block: "layer1.0",
  index: 2,
  blocks: 12,
  iteration: 50,
  iterations: 600,
  loss: 0.000123,
  fraction: 0.1736,
};

/** A writable that looks like a stream of the process; `text()` is what was written. */
function fakeStream(isTTY: boolean, columns = 60) {
  const stream = Object.assign(new PassThrough(), { isTTY, columns, rows: 24 });
  const chunks: string[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk.toString()));
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => chunks.join("") };
}

describe("time left", () => {
  it("is exact at a constant rate", () => {
    const eta = createEta();
    expect(eta(0, 0)).toBeUndefined();
    for (let second = 1; second <= 10; second++) {
      expect(eta(second / 100, second)).toBeCloseTo(100 - second, 6);
    }
  });

  it("follows a change of pace within a minute", () => {
    const eta = createEta();
    for (let second = 0; second <= 100; second++) eta(second / 1000, second);
    let left: number | undefined;
    // From here on ten times as fast.
    for (let second = 1; second <= 60; second++) left = eta(0.1 + second / 100, 100 + second);
    expect(left).toBeGreaterThan(30);
    expect(left).toBeLessThan(36);
  });

  it("survives reports at the same instant", () => {
    const eta = createEta();
    eta(0, 5);
    eta(0.1, 5);
    expect(eta(0.2, 6)).toBeCloseTo(4, 6);
  });
});

describe("lines", () => {
  it("say what is being done", () => {
    expect(describeProgress(synthesis(20, 1))).toBe("synthesis  batch 2/2  iteration 20/100  loss 12.35");
    expect(plainLine(block, 83.2)).toBe(
      "reconstruction  block 3/12 layer1.0  iteration 50/600  loss 1.23e-4  17 %  1:24 left",
    );
    expect(plainLine({ stage: "evaluation", done: 64, total: 1000, fraction: 0.064 }, undefined)).toBe(
      "evaluation  images  64/1000  6 %",
    );
  });

  it("fit the terminal", () => {
    for (const line of liveLines(block, 5, 30).split("\n")) expect(line.length).toBeLessThanOrEqual(30);
  });

  it.each([
    [0, "░░░░"],
    [0.5, "██░░"],
    [1.2, "████"],
    [-1, "░░░░"],
  ])("draw %d as %s", (fraction, text) => expect(bar(fraction, 4)).toBe(text));
});

describe("createReporter", () => {
  it("writes a plain line a batch and one every ten seconds where there is no terminal", () => {
    let clock = 0;
    const { stream, text } = fakeStream(false);
    const reporter = createReporter({ stream, now: () => clock });
    for (let iteration = 1; iteration <= 100; iteration++) {
      clock += 0.25;
      reporter.onProgress(synthesis(iteration));
    }
    const lines = text().trimEnd().split("\n");
    expect(lines.map((line) => /iteration (\d+)/.exec(line)?.[1])).toEqual(["40", "80", "100"]);
    expect(text()).not.toContain("\u001b");
  });

  it("draws live lines on a terminal, not at every report, and leaves none behind", () => {
    let clock = 0;
    const { stream, text } = fakeStream(true);
    const reporter = createReporter({ stream, now: () => clock });
    for (let iteration = 1; iteration < 100; iteration++) {
      clock += 0.01;
      reporter.onProgress(synthesis(iteration));
    }
    const draws = text().match(/iteration/g)!.length;
    expect(draws).toBeGreaterThan(5);
    expect(draws).toBeLessThan(15);
    reporter.close();
    const afterClose = text();
    reporter.close();
    expect(text().length - afterClose.length).toBeLessThan(40);
  });

  it("is silent when quiet", () => {
    const { stream, text } = fakeStream(false);
    const reporter = createReporter({ quiet: true, stream });
    reporter.onProgress(synthesis(100));
    reporter.close();
    expect(text()).toBe("");
  });
});
