/** Damage, drawn from a seed. */

/** Uniform in [0, 1), xorshift32. */
export type Random = () => number;

export function randomFrom(seed: number): Random {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

const below = (random: Random, limit: number) => Math.floor(random() * limit);

function pick<T>(random: Random, values: readonly T[]): T {
  return values[below(random, values.length)]!;
}

/** Numbers at which readers break. */
const WORDS = [0, 1, -1, 2, 4, 127, 128, 255, 65535, 2 ** 31 - 1, -(2 ** 31), 0x7fffff, 1 << 28];

/** Bytes with one to eight injuries: flipped bits, hostile numbers, copied and missing pieces. */
export function damagedBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let out = bytes.slice();
  for (let count = 1 + below(random, 8); count > 0 && out.length > 8; count--) {
    const at = below(random, out.length - 4);
    const view = new DataView(out.buffer);
    switch (below(random, 6)) {
      case 0:
        out[at]! ^= 1 << below(random, 8);
        break;
      case 1:
        out[at] = below(random, 256);
        break;
      case 2:
        view.setInt32(at & ~3, pick(random, WORDS), true);
        break;
      case 3:
        // Offsets point elsewhere, a little or far.
        view.setInt32(
          at & ~3,
          view.getInt32(at & ~3, true) + pick(random, [-64, -8, -4, 4, 8, 64, 1024]),
          true,
        );
        break;
      case 4: {
        const length = 1 + below(random, 64);
        out.copyWithin(below(random, out.length), at, at + length);
        break;
      }
      default:
        if (random() < 0.2) out = out.slice(0, at);
    }
  }
  return out;
}

const HOSTILE: readonly unknown[] = [
  null,
  true,
  "",
  "x",
  "-1",
  "0",
  "1e99",
  "9223372036854775807",
  "__proto__",
  "constructor",
  "\u001b[2J",
  -1,
  0,
  1,
  3,
  1e9,
  2 ** 53,
  Number.MAX_VALUE,
  [],
  {},
  [-1],
  [1, 1, 1, 1],
  [2 ** 31],
];

/** A copy of a JSON value with one to four of its parts replaced, removed, doubled or exchanged. */
export function damagedJson(json: unknown, random: Random): unknown {
  const out: unknown = structuredClone(json);
  for (let count = 1 + below(random, 4); count > 0; count--) injure(out, random);
  return out;
}

function injure(root: unknown, random: Random): void {
  let place = root as Record<string, unknown>;
  for (;;) {
    const keys = Object.keys(place);
    if (keys.length === 0) return;
    const key = pick(random, keys);
    const value = place[key];
    const isLeaf = typeof value !== "object" || value === null;
    if (!isLeaf && random() < 0.92) {
      place = value as Record<string, unknown>;
      continue;
    }
    const other = place[pick(random, keys)];
    switch (below(random, 5)) {
      case 0:
        if (Array.isArray(place)) place.splice(Number(key), 1);
        else delete place[key];
        return;
      case 1:
        if (Array.isArray(place)) place.push(structuredClone(value));
        else place[`${key}2`] = structuredClone(value);
        return;
      case 2:
        place[key] = structuredClone(other);
        return;
      default:
        place[key] = structuredClone(pick(random, HOSTILE));
        return;
    }
  }
}
