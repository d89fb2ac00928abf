import { defineConfig } from "vitest/config";

/** Tests of what is packed, in real runtimes: `npm run test:package`, after `npm run build`. */
export default defineConfig({
  test: {
    include: ["test/package/**/*.test.ts"],
    // Browsers and their workers want the cores for themselves.
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
