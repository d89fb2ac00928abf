/** Sums over workers: through memory they share, or by messages where there is none. Both give the same bits. */
import { alone, type Collective } from "../engine/collective.ts";
import type { Membership } from "./protocol.ts";

/** Floats that a member lays open at once; longer sums go in several rounds. 1 MiB. */
const ROUND_FLOATS = 2 ** 18;

/** Two 32-bit words in front of the floats. */
const HEADER_BYTES = 8;
const ARRIVED = 0;
const ROUND = 1;

/** Bytes of the memory that `size` members share: two slots each, used in turn. */
export function sharedBytes(size: number): number {
  return HEADER_BYTES + 2 * size * ROUND_FLOATS * Float32Array.BYTES_PER_ELEMENT;
}

/** The collective that a membership stands for; `close` releases its ports. */
export function join(membership: Membership): Collective & { close(): void } {
  const { rank, size, link } = membership;
  if (size === 1) return { ...alone, close() {} };
  return Array.isArray(link) ? overPorts(rank, size, link) : overSharedMemory(rank, size, link);
}

/** Every member writes its values into its slot, waits until all have, and adds up all slots. */
function overSharedMemory(rank: number, size: number, buffer: SharedArrayBuffer) {
  const words = new Int32Array(buffer, 0, 2);
  const slot = (parity: number, member: number): Float32Array =>
    new Float32Array(buffer, HEADER_BYTES + 4 * ROUND_FLOATS * (parity * size + member), ROUND_FLOATS);
  // A slot is written again two rounds later: by then every member has passed the round between, hence read it.
  let parity = 0;
  return {
    rank,
    size,
    async sum(arrays: readonly Float32Array[]) {
      for (const round of rounds(arrays)) {
        write(round, slot(parity, rank));
        waitForAll(words, size);
        const slots = Array.from({ length: size }, (_, member) => slot(parity, member));
        addUp(slots, round);
        parity = 1 - parity;
      }
    },
    close() {},
  };
}

/** A barrier: the last to arrive opens the next round for all. */
function waitForAll(words: Int32Array, size: number): void {
  const round = Atomics.load(words, ROUND);
  if (Atomics.add(words, ARRIVED, 1) === size - 1) {
    Atomics.store(words, ARRIVED, 0);
    Atomics.add(words, ROUND, 1);
    Atomics.notify(words, ROUND);
  } else {
    while (Atomics.load(words, ROUND) === round) Atomics.wait(words, ROUND, round);
  }
}

/** Every member sends its values to each other one, and adds up what came. */
function overPorts(rank: number, size: number, ports: readonly (MessagePort | undefined)[]) {
  const inboxes = ports.map((port) => (port ? inbox(port) : undefined));
  return {
    rank,
    size,
    async sum(arrays: readonly Float32Array[]) {
      const own = new Float32Array(arrays.reduce((length, array) => length + array.length, 0));
      write(arrays, own);
      for (const port of ports) port?.postMessage(own);
      const all = await Promise.all(inboxes.map((next) => next?.() ?? own));
      addUp(all, arrays);
    },
    close() {
      for (const port of ports) port?.close();
    },
  };
}

/** The messages of a port one by one: those that come early wait. */
function inbox(port: MessagePort): () => Promise<Float32Array> {
  const early: Float32Array[] = [];
  let waiting: ((values: Float32Array) => void) | undefined;
  port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
    if (waiting) waiting(data);
    else early.push(data);
    waiting = undefined;
  };
  return () => {
    const values = early.shift();
    return values
      ? Promise.resolve(values)
      : new Promise((resolve) => {
          waiting = resolve;
        });
  };
}

/** The arrays cut into groups of pieces that fit a slot. */
function* rounds(arrays: readonly Float32Array[]): Generator<Float32Array[]> {
  let round: Float32Array[] = [];
  let room = ROUND_FLOATS;
  for (const array of arrays) {
    for (let at = 0; at < array.length; ) {
      const piece = array.subarray(at, at + room);
      round.push(piece);
      at += piece.length;
      room -= piece.length;
      if (room === 0) {
        yield round;
        round = [];
        room = ROUND_FLOATS;
      }
    }
  }
  if (round.length > 0) yield round;
}

function write(arrays: readonly Float32Array[], out: Float32Array): void {
  let at = 0;
  for (const array of arrays) {
    out.set(array, at);
    at += array.length;
  }
}

/**
 * What all members wrote, added up into the arrays that `write` laid end to end: ((a₀[i] + a₁[i]) + a₂[i]) + …, each sum
 * rounded to float32.
 */
function addUp(members: readonly Float32Array[], arrays: readonly Float32Array[]): void {
  let at = 0;
  for (const out of arrays) {
    const [first, second, ...others] = members.map((values) => values.subarray(at, at + out.length));
    for (let i = 0; i < out.length; i++) out[i] = first![i]! + second![i]!;
    for (const values of others) {
      for (let i = 0; i < out.length; i++) out[i]! += values[i]!;
    }
    at += out.length;
  }
}
