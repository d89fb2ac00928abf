/** What the micro-kernels of 3×3 depthwise convolution are told, and how they find a row. */

/** Pixels in, pixels out, and the filter between. Sizes in pixels, steps in bytes; all addresses of four channels. */
@unmanaged
export class Window {
  input: usize;
  inputRow: usize;
  height: i32;
  width: i32;
  output: usize;
  outputRow: usize;
  outputHeight: i32;
  outputWidth: i32;
  /** From a pixel to the next, of input and output. */
  pixel: usize;
  /** Padding before the input, and rows of it from an output to the next one down. */
  top: i32;
  left: i32;
  stride: i32;
  /** First tap; steps from tap to tap are negative where the filter is rotated. */
  filter: usize;
  filterRow: usize;
  filterColumn: usize;
  /** Leading channels of the four that belong to the vector before as well: sums leave them out. */
  repeated: i32;
  /** Sixteen bytes of zeros: every pixel of a row that does not exist. */
  zeros: usize;
  /** Sixteen bytes for what a row of outputs that does not exist would get. */
  waste: usize;
  /** A use for what is read only to be near, so that no compiler leaves the reading out. */
  touched: i32;
}

export const WINDOW_BYTES: usize = 96;

// @ts-expect-error: decorator
@inline
function rowExists(at: Window, row: i32): bool {
  return <u32>row < <u32>at.height;
}

/** Where a row of the input starts, or zeros if there is none. */
// @ts-expect-error: decorator
@inline
export function rowStart(at: Window, row: i32): usize {
  return rowExists(at, row) ? at.input + <usize>row * at.inputRow : at.zeros;
}

/** From a pixel of a row of the input to the next. */
// @ts-expect-error: decorator
@inline
export function rowStep(at: Window, row: i32): usize {
  return rowExists(at, row) ? at.pixel : 0;
}

// @ts-expect-error: decorator
@inline
function outputRowExists(at: Window, row: i32): bool {
  return <u32>row < <u32>at.outputHeight;
}

/** Where a row of the output starts, or waste if there is none. */
// @ts-expect-error: decorator
@inline
export function outputRowStart(at: Window, row: i32): usize {
  return outputRowExists(at, row) ? at.output + <usize>row * at.outputRow : at.waste;
}

/** From a pixel of a row of the output to the next. */
// @ts-expect-error: decorator
@inline
export function outputRowStep(at: Window, row: i32): usize {
  return outputRowExists(at, row) ? at.pixel : 0;
}
