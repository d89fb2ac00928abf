import { describe, expect, it } from "vitest";
import {
  formatBytes,
  formatCount,
  formatLoss,
  formatSeconds,
  formatShare,
  formatTable,
} from "../../src/report/format.ts";

describe("numbers for people", () => {
  it.each([
    [0, "0"],
    [999, "999"],
    [1000, "1.00 k"],
    [77_754, "77.8 k"],
    [999_499, "999 k"],
    [999_600, "1.00 M"],
    [40_551_424, "40.6 M"],
    [2.5e9, "2.50 G"],
  ])("counts %d as %s", (value, text) => expect(formatCount(value)).toBe(text));

  it.each([
    [12, "12 B"],
    [1_112_493, "1.11 MB"],
  ])("sizes %d as %s", (value, text) => expect(formatBytes(value)).toBe(text));

  it.each([
    [0.04, "0.0 s"],
    [9.94, "9.9 s"],
    [59.4, "59 s"],
    [59.6, "1:00"],
    [83, "1:23"],
    [7384, "2:03:04"],
  ])("times %d as %s", (value, text) => expect(formatSeconds(value)).toBe(text));

  it.each([
    [0, "0.000"],
    [12.3456, "12.35"],
    [0.00012345, "1.23e-4"],
    [4.2e7, "4.20e+7"],
  ])("losses %d as %s", (value, text) => expect(formatLoss(value)).toBe(text));

  it("writes shares with two decimals", () => expect(formatShare(0.8102)).toBe("81.02 %"));
});

describe("formatTable", () => {
  it("aligns text left and numbers right", () => {
    expect(
      formatTable(
        ["name", "n", "bits"],
        [
          ["a", "5", ""],
          ["long name", "1.23 M", "8"],
        ],
      ),
    ).toBe(
      [
        "name            n  bits",
        "─────────  ──────  ────",
        "a               5",
        "long name  1.23 M     8",
      ].join("\n"),
    );
  });
});
