import { describe, expect, it } from "vitest";
import { Budget, DEFAULT_LIMITS, type Limits } from "../../src/formats/budget.ts";

describe("Budget", () => {
  it("takes what is spent from what is left, and refuses what is more, with the name of the limit", () => {
    const budget = new Budget({ nodes: 3 });
    budget.spend("nodes", 2, "the model");
    expect(budget.left("nodes")).toBe(1);
    expect(() => budget.spend("nodes", 2, "the model")).toThrow(/more than 3 nodes.*--limits nodes=/);
    budget.spend("nodes", 1, "the model");
  });

  it("refuses amounts that are no number", () => {
    expect(() => new Budget().spend("values", Number.NaN, "a weight")).toThrow(/numbers in its weights/);
  });

  it("is over when the time is", async () => {
    const budget = new Budget({ seconds: 0.01 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(() => budget.spend("nodes", 1, "the model")).toThrow(/seconds of reading/);
  });

  it.each([{ nodes: 0 }, { nodes: Number.NaN }, { nodes: "many" }, { node: 5 }])(
    "takes no limit %j",
    (limits) => {
      expect(() => new Budget(limits as Partial<Limits>)).toThrow(
        /limits are positive numbers called bytes, /,
      );
    },
  );

  it("leaves the limits that nobody names as they are", () => {
    expect(new Budget({ nodes: 7, bytes: undefined } as unknown as Partial<Limits>).limits).toEqual({
      ...DEFAULT_LIMITS,
      nodes: 7,
    });
  });
});
