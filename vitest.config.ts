import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // They have a configuration of their own: vitest.package.config.ts.
    exclude: ["test/package/**"],
    // Every test file owns a wasm heap and may set V8 flags, so each gets its own process.
    pool: "forks",
    testTimeout: 60_000,
  },
});
