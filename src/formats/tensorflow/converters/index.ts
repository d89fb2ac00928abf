/** Every operator that a TensorFlow network may compute with. */
import { activations } from "./activations.ts";
import { arithmetic } from "./arithmetic.ts";
import type { Converter } from "./converter.ts";
import { layers } from "./layers.ts";
import { layout } from "./layout.ts";
import { normalization } from "./normalization.ts";
import { pooling } from "./pooling.ts";
import { products } from "./products.ts";
import { resize } from "./resize.ts";
import { slices } from "./slices.ts";

export const converters: Readonly<Record<string, Converter>> = {
  ...activations,
  ...arithmetic,
  ...layers,
  ...layout,
  ...normalization,
  ...pooling,
  ...products,
  ...resize,
  ...slices,
};
