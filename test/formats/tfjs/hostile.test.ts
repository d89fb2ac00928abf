/** `model.json` with anything in it: a network, or a GenieError. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { GenieError } from "../../../src/errors.ts";
import { isPrintable } from "../../../src/printable.ts";
import { loadModel } from "../../../src/session/load.ts";

const layer = (class_name: string, config: object) => ({ class_name, config });
const SOUND = {
  format: "layers-model",
  modelTopology: {
    model_config: layer("Sequential", {
      name: "m",
      layers: [
        layer("Conv2D", { name: "c", filters: 1, kernel_size: [1, 1], batch_input_shape: [null, 2, 2, 1] }),
        layer("Flatten", { name: "f" }),
        layer("Dense", { name: "d", units: 1, activation: "linear", use_bias: false }),
      ],
    }),
  },
  weightsManifest: [
    {
      paths: ["w.bin"],
      weights: [
        { name: "c/kernel", shape: [1, 1, 1, 1], dtype: "float32" },
        { name: "c/bias", shape: [1], dtype: "uint8", quantization: { dtype: "uint8", scale: 1, min: 0 } },
        { name: "d/kernel", shape: [4, 1], dtype: "float16" },
      ],
    },
  ],
};

const load = (json: string) =>
  loadModel(new TextEncoder().encode(json), { readShard: async () => new Uint8Array(13) }).catch(
    (error: unknown) => error,
  );

/** What stands in for a value: other types, sizes beyond all bounds, text that steers a terminal. */
const odd = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    -1,
    0,
    1e9,
    2 ** 53,
    1e308,
    "",
    "\u202e",
    "../x",
    [],
    {},
    [1e9, 1e9],
    "__proto__",
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** The value with what stands at the `at`-th place in it, counted depth first, replaced. */
function replaced(value: unknown, at: { left: number }, by: unknown): unknown {
  if (at.left-- === 0) return by;
  if (Array.isArray(value)) return value.map((item) => replaced(item, at, by));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, replaced(item, at, by)]));
}

it("is read where it is sound", async () => {
  expect(await load(JSON.stringify(SOUND))).toMatchObject({ name: "m" });
});

it("is a network or a GenieError of one short line, whatever stands in it", async () => {
  const changes = fc.array(fc.tuple(fc.nat(60), odd), { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(changes, async (all) => {
      const model = all.reduce<unknown>((value, [at, by]) => replaced(value, { left: at }, by), SOUND);
      const result = await load(JSON.stringify(model));
      if (!(result instanceof Error)) return;
      expect(result).toBeInstanceOf(GenieError);
      expect(result.message.length).toBeLessThanOrEqual(4000);
      expect(isPrintable(result.message)).toBe(true);
    }),
    { numRuns: 1000 },
  );
});
