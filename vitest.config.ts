import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Every test file owns a wasm heap and may set V8 flags, so each gets its own process.
    pool: "forks",
    testTimeout: 60_000,
  },
});
