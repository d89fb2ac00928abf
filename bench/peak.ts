/** What the core can do at most with 128-bit SIMD: arithmetic from registers, copying from each level of memory. */
import { createCeilings, gflops, gigabytes, MULTIPLY_ADD_FLOP } from "./ceilings.ts";
import { measure, type Row, type Table } from "./harness.ts";

/** Source and target together: in L2 (1 MB a core), in L3 (32 MB), in memory. */
const COPY_MEGABYTES = [0.5, 1, 4, 16, 64, 128];

export const peak: Table = {
  name: "peak",
  async *rows({ binary, wants, environment, note }) {
    const base = { table: "peak", peers: {}, ceiling: null };
    for (const loop of ["baseline", "relaxed"] as const) {
      const row = loop === "relaxed" ? "fused multiply-add" : "multiply, add";
      if ((loop === "relaxed" && binary === "baseline") || !wants(row)) continue;
      const { multiplyAdd } = await createCeilings({ binary: loop, environment });
      const times = await measure({ environment, note }, { multiplyAdd });
      yield {
        ...base,
        row,
        unit: "GFLOP/s",
        ours: gflops(MULTIPLY_ADD_FLOP, times.multiplyAdd),
      } satisfies Row;
    }
    const { copy } = await createCeilings({ binary, environment });
    for (const megabytes of COPY_MEGABYTES) {
      const row = `copy, ${megabytes} MB`;
      if (!wants(row)) continue;
      const bytes = megabytes * 2 ** 20;
      const times = await measure({ environment, note }, { copy: copy(bytes) });
      yield { ...base, row, unit: "GB/s", ours: gigabytes(bytes, times.copy) };
    }
  },
};
