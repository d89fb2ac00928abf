import { expect, it } from "vitest";
import { initializeKernels, kernels } from "../../src/kernels/heap.ts";

it("stays with the binary that was asked for", async () => {
  expect(await initializeKernels({ binary: "baseline" })).toBe("baseline");
  const running = kernels();
  expect(await initializeKernels()).toBe("baseline");
  expect(kernels()).toBe(running);
  expect(await initializeKernels({ binary: "relaxed" })).toBe("relaxed");
  expect(kernels()).not.toBe(running);
});
