/** What reading a file may cost: one budget for all readers, asked before the work is done. */
import { GenieError } from "../errors.ts";

/** The most that reading one model, array or picture may take. Each can be raised or lowered: docs/limits.md. */
export interface Limits {
  /** Bytes of the file and of all files beside it. */
  bytes: number;
  /** Bytes that compressed parts unpack to: entries of a `.keras` archive, chunks of HDF5. */
  unpackedBytes: number;
  /** Files beside the model: shards, external data. */
  files: number;
  /** Numbers in all weights. */
  values: number;
  /** Layers of a Keras model, nodes of an ONNX graph. */
  nodes: number;
  /** Small things: names, attributes and tensors of an ONNX file, entries of a zip archive. */
  entries: number;
  /** Bytes of a decoded picture: height · width · channels · bytes a channel. */
  pictureBytes: number;
  /** Seconds for all of it, waiting for a server included. */
  seconds: number;
}

/** Generous for networks, small for a machine: reading at the limits takes about 4 GB and some minutes. */
export const DEFAULT_LIMITS: Readonly<Limits> = {
  /** Protobuf ends there, and so do the buffers of some engines. */
  bytes: 2 ** 31 - 1,
  /** Weights of 1 GiB, and what stands around them. */
  unpackedBytes: 2 ** 30 + 2 ** 26,
  /** One a tensor, as the most wasteful exporters write. */
  files: 10_000,
  /** 1 GiB of float32, beyond which no 4 GiB heap can run the network. */
  values: 2 ** 28,
  /** More than any network has; passes over a graph take seconds for so many. */
  nodes: 2 ** 16,
  /** Each takes some hundred bytes in memory and two in a file. */
  entries: 2 ** 20,
  /** 67 million pixels with four channels of 8 bits: the largest sensors. */
  pictureBytes: 2 ** 28,
  /** A gigabyte over a line of 25 Mbit/s. */
  seconds: 600,
};

const UNITS: Readonly<Record<keyof Limits, string>> = {
  bytes: "bytes in its files",
  unpackedBytes: "bytes when it is unpacked",
  files: "files beside it",
  values: "numbers in its weights",
  nodes: "nodes",
  entries: "names, attributes and entries",
  pictureBytes: "bytes as pixels",
  seconds: "seconds of reading",
};

/** What is left of the limits while one file is read. */
export class Budget {
  readonly limits: Readonly<Limits>;
  readonly #spent = new Map<keyof Limits, number>();
  readonly #started = performance.now();

  /** @throws GenieError `invalid-option` for a limit that is unknown or no positive number. */
  constructor(overrides: Partial<Limits> = {}) {
    const given = Object.entries(overrides).filter(([, limit]) => limit !== undefined);
    for (const [name, limit] of given) {
      if (!Object.hasOwn(DEFAULT_LIMITS, name) || !(limit > 0)) {
        throw new GenieError(
          "invalid-option",
          `limits are positive numbers called ${Object.keys(DEFAULT_LIMITS).join(", ")}; not ${name}: ${limit}`,
        );
      }
    }
    this.limits = { ...DEFAULT_LIMITS, ...Object.fromEntries(given) };
  }

  /** How much more of it there may be. */
  left(limit: keyof Limits): number {
    return limit === "seconds"
      ? this.limits.seconds - (performance.now() - this.#started) / 1000
      : this.limits[limit] - (this.#spent.get(limit) ?? 0);
  }

  /**
   * Takes `amount` from the budget; call it before the work.
   *
   * @param what Is read, for the message: "the model", `weight "conv/kernel"`.
   * @throws GenieError `limit-exceeded`, also where the time is up.
   */
  spend(limit: keyof Limits, amount: number, what: string): void {
    // Not "amount > left": an amount that is no number is too much.
    if (!(amount <= this.left(limit))) throw this.exceeded(limit, what);
    this.#spent.set(limit, (this.#spent.get(limit) ?? 0) + amount);
    if (this.left("seconds") < 0) throw this.exceeded("seconds", what);
  }

  exceeded(limit: keyof Limits, what: string): GenieError {
    return new GenieError(
      "limit-exceeded",
      `${what} has more than ${this.limits[limit]} ${UNITS[limit]}: ` +
        `if you trust it, raise the limit "${limit}" (limits, or --limits ${limit}=…)`,
    );
  }
}
