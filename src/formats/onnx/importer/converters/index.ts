/** All operators that values of the network can go through. A new one is one entry in one of these tables. */
import { activations } from "./activations.ts";
import { arithmetic } from "./arithmetic.ts";
import type { Converter } from "./converter.ts";
import { layers } from "./layers.ts";
import { layout } from "./layout.ts";
import { normalization } from "./normalization.ts";
import { pooling } from "./pooling.ts";
import { products } from "./products.ts";
import { quantize } from "./quantize.ts";
import { rearrange } from "./rearrange.ts";
import { reductions } from "./reductions.ts";
import { resize } from "./resize.ts";

export const converters: Readonly<Record<string, Converter>> = {
  ...layers,
  ...activations,
  ...arithmetic,
  ...products,
  ...reductions,
  ...normalization,
  ...pooling,
  ...layout,
  ...rearrange,
  ...resize,
  ...quantize,
};
