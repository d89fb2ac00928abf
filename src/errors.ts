import { printable } from "./printable.ts";

/** Messages quote names and shapes of files, which may be of any length; the longest of ours list all operators. */
const MAX_MESSAGE = 4000;

/** Every error this package throws on purpose. `code` is stable and machine-readable; `message` is one line. */
export class GenieError extends Error {
  override readonly name: string = "GenieError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(printable(message, MAX_MESSAGE), options);
    this.code = code;
  }
}

/** A `dynamic-shape` that says what is open. */
export class OpenShapeError extends GenieError {
  /** The input's shape in the file's own layout, the batch first; undefined where a size must be known. */
  readonly shape: readonly (number | undefined)[];

  constructor(message: string, shape: readonly (number | undefined)[]) {
    super("dynamic-shape", message);
    this.shape = shape;
  }
}

export type ErrorCode =
  /** The bytes are not a readable file of the expected format: wrong magic, truncated, hostile sizes. */
  | "malformed-file"
  /** The file asks for more than the limits of reading allow (`limits`, docs/limits.md), be it large or hostile. */
  | "limit-exceeded"
  /** The model uses an operator or attribute that this package does not implement. */
  | "unsupported-operator"
  /** The model is readable but cannot be used as asked: NaN weights, a cycle, an unknown name. */
  | "invalid-model"
  /** A dimension that must be known is dynamic. */
  | "dynamic-shape"
  /** The model carries no BatchNorm statistics, so nothing can be synthesized from it. */
  | "no-batch-norm"
  /** An option is out of range or contradicts another one. */
  | "invalid-option"
  /** Images, labels or calibration data have the wrong shape, type or range. */
  | "invalid-data"
  /** A checkpoint was left by another run: another model, other options or another version of this package. */
  | "foreign-checkpoint"
  /** Another process is at work on this checkpoint or output. */
  | "in-use"
  /** An output could not be written. */
  | "unwritable-output"
  /** The runtime lacks something we need (WebAssembly SIMD, memory). */
  | "unsupported-runtime"
  /** The caller's AbortSignal fired. */
  | "aborted";
