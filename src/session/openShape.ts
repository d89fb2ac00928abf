/** Sizes for inputs that a file leaves open: what fits the rest of the network, or what is usual. */
import { GenieError, OpenShapeError } from "../errors.ts";
import type { Graph } from "../ir/graph.ts";
import { summarize } from "../ir/summary.ts";
import { validate } from "../ir/validate.ts";

/** Sides of pictures, by how likely they are; a network that takes any is well served by the first. */
const SIDES = [
  224, 256, 192, 160, 128, 112, 96, 320, 384, 416, 512, 640, 299, 331, 64, 48, 32, 28, 80, 100, 150, 200, 300,
  120, 60, 40, 50, 24, 16, 8,
];

/** Lengths of signals and sequences. */
const LENGTHS = [1024, 512, 256, 128, 2048, 4096, 8000, 16000, 100, 200, 64, 32, 16, 8];

/** Multiply-adds of an image beyond which a smaller one will do, where any does: minutes of work are at stake. */
const MAX_MULTIPLY_ADDS = 2e10;

/** Reads a file with the input's shape given. */
export type ReadSized = (inputShape: number[] | undefined) => Promise<Graph>;

/**
 * The model, with a size for what its file leaves open where nobody gave one: the first usual one with which the rest
 * of the network is consistent (a flatten in front of a dense layer admits one alone) and as much of it is understood
 * as with any.
 *
 * @param given What is known of the shape, −1 for what is not.
 * @param onNote Hears which size was taken.
 * @throws GenieError as `read`; `dynamic-shape` where none fits.
 */
export async function readWithSize(
  read: ReadSized,
  given: number[] | undefined,
  onNote: ((note: string) => void) | undefined,
): Promise<Graph> {
  try {
    return await readValid(read, given);
  } catch (error) {
    if (!(error instanceof OpenShapeError)) throw error;
    const found = await firstThatFits(read, error.shape);
    if (!found) throw error;
    const shown = (shape: readonly (number | undefined)[]): string =>
      `[${shape.map((size, axis) => (axis === 0 ? "N" : (size ?? "?"))).join(", ")}]`;
    onNote?.(
      `the model leaves its input's size open, ${shown(error.shape)}: ${shown(found.shape)} is taken; ` +
        "--input-shape (inputShape) gives another",
    );
    return found.graph;
  }
}

async function readValid(read: ReadSized, shape: number[] | undefined): Promise<Graph> {
  const graph = await read(shape);
  validate(graph);
  return graph;
}

async function firstThatFits(
  read: ReadSized,
  open: readonly (number | undefined)[],
): Promise<{ shape: number[]; graph: Graph } | undefined> {
  let best: { shape: number[]; graph: Graph } | undefined;
  for (const shape of candidates(open)) {
    const graph = await readValid(read, shape).catch((error: unknown) => {
      if (error instanceof GenieError && DOES_NOT_FIT.has(error.code)) return undefined;
      throw error;
    });
    if (!graph) continue;
    const isSmaller = best && graph.nodes.length < best.graph.nodes.length;
    if (!isSmaller && !(best && graph.nodes.length === best.graph.nodes.length && !isTooLarge(best.graph))) {
      best = { shape, graph };
    }
    if (!graph.tail && !isTooLarge(graph)) break;
  }
  return best;
}

/** How a network answers a size that is not its own. */
const DOES_NOT_FIT: ReadonlySet<string> = new Set([
  "invalid-model",
  "unsupported-operator",
  "invalid-option",
]);

function isTooLarge(graph: Graph): boolean {
  return summarize(graph).multiplyAdds > MAX_MULTIPLY_ADDS;
}

function* candidates(open: readonly (number | undefined)[]): Generator<number[]> {
  const fill = (known: readonly (number | undefined)[], size: number): number[] =>
    known.map((value, axis) => (axis === 0 ? -1 : (value ?? size)));
  const count = open.slice(1).filter((size) => size === undefined).length;
  if (open.length === 3) for (const length of LENGTHS) yield fill(open, length);
  if (open.length !== 4) return;
  // Where channels are open as well: colours, then greys, in front or behind.
  const partial =
    count < 3
      ? [open]
      : [3, 1].flatMap((channels) => [
          [undefined, channels, undefined, undefined],
          [undefined, undefined, undefined, channels],
        ]);
  // A picture with one side known may well be square.
  const sides =
    count === 1 ? [...open.slice(1).filter((size) => size !== undefined && size > 4), ...SIDES] : SIDES;
  for (const known of partial) for (const side of sides) yield fill(known, side!);
}
