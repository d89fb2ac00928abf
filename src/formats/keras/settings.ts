/** Which of a layer's settings have been heeded: what a converter neither reads nor may pass over is refused. */
import type { Config } from "./topology.ts";

/** What every class may have and no value at inference depends on; sizes are those of the weights. */
const HARMLESS = new Set([
  ...["name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_shape", "input_dtype"],
  ...["sparse", "ragged", "autocast", "rank", "seed", "lora_rank", "lora_alpha"],
  ...["filters", "kernel_size", "units", "depth_multiplier", "input_dim"],
]);

const LEARNING = /_(initializer|regularizer|constraint)$/;

/** Further ones by class. */
const HARMLESS_OF: Readonly<Record<string, readonly string[]>> = {
  BatchNormalization: [
    ...["momentum", "fused", "renorm", "renorm_clipping", "renorm_momentum", "virtual_batch_size"],
    "synchronized",
  ],
  // The shape of alpha says it.
  PReLU: ["shared_axes"],
  // Of no use without pad_to_aspect_ratio.
  Resizing: ["fill_mode", "fill_value"],
};

/** Values of settings that change nothing. */
const NEUTRAL: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["groups", 1],
  ["data_format", "channels_last"],
]);

/** Settings that remember which of them were read. */
export class Settings {
  /** The settings themselves. */
  readonly config: Config;
  readonly #all: Config;
  readonly #read = new Set<string>();

  constructor(config: Config) {
    this.#all = config;
    this.config = new Proxy(config, {
      get: (target, key) => {
        this.#read.add(String(key));
        return target[String(key)];
      },
    });
  }

  /** For layers that do nothing at inference, whatever their settings are. */
  passOverAll(): void {
    for (const key of Object.keys(this.#all)) this.#read.add(key);
  }

  /** The first setting that nobody read and that may matter. */
  leftover(className: string): string | undefined {
    const harmless = Object.hasOwn(HARMLESS_OF, className) ? HARMLESS_OF[className] : [];
    return Object.entries(this.#all).find(([key, value]) => {
      // A switch that is off and an option that is not given change nothing.
      const isNeutral = value === null || value === false || value === NEUTRAL.get(key);
      if (isNeutral || this.#read.has(key)) return false;
      return !HARMLESS.has(key) && !harmless!.includes(key) && !LEARNING.test(key);
    })?.[0];
  }
}
