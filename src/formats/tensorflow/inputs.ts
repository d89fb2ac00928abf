/** The inputs of a network: their shapes with the batch open, and where their channels lie. */
import { GenieError, OpenShapeError } from "../../errors.ts";
import type { Network, NetworkInput, Operator } from "./network.ts";

/** Of [N, C, H, W] in a memory of [N, H, W, C]. */
export const CHANNELS_FIRST = [0, 3, 1, 2];

/**
 * The shape of an input with −1 for the batch.
 *
 * @param given What the file leaves open about it, with or without the batch.
 * @throws GenieError `dynamic-shape`, `invalid-option` for a `given` that does not fit, `invalid-model`.
 */
export function inputShapeOf({ name, shape }: NetworkInput, given: readonly number[] | undefined): number[] {
  const stated = shape ?? given?.map(() => undefined);
  const shown = `[${stated
    ?.slice(0, 8)
    .map((size) => size ?? "?")
    .join(", ")}]`;
  if (!stated) throw open(name, "its shape is not stated", []);
  if (stated.length < 2 || stated.length > 8) {
    throw new GenieError(
      "invalid-model",
      `the model's input "${name}" has shape ${shown}; a batch of images or features was expected`,
    );
  }
  const wanted = given && given.length === stated.length - 1 ? [-1, ...given] : given;
  const sizes = stated.slice(1).map((size, i) => {
    const other = wanted?.[i + 1] === -1 ? undefined : wanted?.[i + 1];
    const isFit =
      other === undefined || (Number.isSafeInteger(other) && other >= 1 && (size ?? other) === other);
    if (!isFit || (wanted && wanted.length !== stated.length)) {
      throw new GenieError(
        "invalid-option",
        `the input shape [${given!.join(", ")}] does not fit the model's input "${name}" of shape ${shown}`,
      );
    }
    return size ?? other;
  });
  if (!sizes.every((size) => size !== undefined)) {
    throw open(name, `its shape is ${shown}`, [undefined, ...sizes]);
  }
  return [-1, ...sizes];
}

function open(name: string, complaint: string, shape: (number | undefined)[]): OpenShapeError {
  return new OpenShapeError(
    `the model's input "${name}" is open: ${complaint}; say what it is with --input-shape (inputShape), for example 1,224,224,3`,
    shape,
  );
}

/**
 * Whether an input is [N, C, H, W]: converters from ONNX transpose it in front of every layer that reads it, and then
 * our graph takes [N, H, W, C].
 */
export function isChannelsFirst(
  { name }: NetworkInput,
  live: readonly Operator[],
  constant: Network["constant"],
): boolean {
  const readers = live.filter(({ inputs }) => inputs.includes(name));
  return (
    readers.length > 0 &&
    readers.every(
      ({ type, inputs: [, permutation] }) =>
        type === "Transpose" && permutation && constant(permutation)?.data.join() === "0,2,3,1",
    )
  );
}
