/**
 * Convolutions visit an image a strip at a time: a grid of output pixels, a few rows of one image or a few whole
 * images, and the window of the source that these pixels read, with its border of zeros.
 */
import { copyFloats } from "./packing";
import { fill } from "./fill";

/** A strip's window is kept to this many bytes, so that it stays in L1 and L2 while all filters pass. */
const WINDOW_BYTES: i32 = 1 << 17;

/** How pixels of a grid map to the source: along an axis, grid index i reads origin + i·step … + i·step + halo. */
@unmanaged
export class Axis {
  /** Source size. */
  size: i32;
  /** Source index that grid index 0 reads first; negative in the padding. */
  origin: i32;
  step: i32;
  halo: i32;
  /** Grid size. */
  grid: i32;
}

/** Source rows or columns that `count` grid rows or columns read. */
// @ts-expect-error: decorator
@inline
function extent(axis: Axis, count: i32): i32 {
  return (count - 1) * axis.step + axis.halo + 1;
}

/** Whether every source index read exists. */
function inside(axis: Axis): bool {
  return axis.origin >= 0 && axis.origin + extent(axis, axis.grid) <= axis.size;
}

/** The strips of one call: where they read, and how large they are. */
@unmanaged
export class Window {
  rows: Axis;
  columns: Axis;
  source: usize;
  channels: i32;
  /** Grid rows and images of a strip; more than one image only where rows are all rows. */
  stripRows: i32;
  stripImages: i32;
  /** Where windows with a border are put together; unused where no index lies outside. */
  padded: usize;
  isPadded: bool;
  /** Bytes from one row and one image of the open window to the next. */
  rowStride: usize;
  imageStride: usize;
}

const AXIS_BYTES: usize = 20;
/** Bytes of a Window and its two axes, keeping what follows aligned to 16. */
export const WINDOW_STRUCT_BYTES: usize = 96;

/** A Window in `memory`, its axes yet to be set with `setAxis` and its strips with `planStrips`. */
export function newWindow(memory: usize, source: usize, channels: i32): Window {
  const window = changetype<Window>(memory);
  window.rows = changetype<Axis>(memory + offsetof<Window>());
  window.columns = changetype<Axis>(memory + offsetof<Window>() + AXIS_BYTES);
  window.source = source;
  window.channels = channels;
  return window;
}

export function setAxis(axis: Axis, size: i32, origin: i32, step: i32, halo: i32, grid: i32): void {
  axis.size = size;
  axis.origin = origin;
  axis.step = step;
  axis.halo = halo;
  axis.grid = grid;
}

/** Chooses the strips' size. Needs no memory but the Window. */
export function planStrips(window: Window, images: i32): void {
  const rows = window.rows;
  const rowBytes = extent(window.columns, window.columns.grid) * window.channels * 4;
  const imageBytes = <i64>extent(rows, rows.grid) * rowBytes;
  if (imageBytes <= WINDOW_BYTES) {
    window.stripRows = rows.grid;
    window.stripImages = min(images, WINDOW_BYTES / <i32>imageBytes);
  } else {
    const limit = max(1, (WINDOW_BYTES / rowBytes - rows.halo - 1) / rows.step + 1);
    const strips = (rows.grid + limit - 1) / limit;
    window.stripRows = (rows.grid + strips - 1) / strips;
    window.stripImages = 1;
  }
  window.isPadded = !(inside(rows) && inside(window.columns));
}

/** Bytes of the padded window of one strip. */
export function paddedBytes(window: Window): usize {
  if (!window.isPadded) return 0;
  const floats =
    <usize>window.stripImages *
    extent(window.rows, window.stripRows) *
    extent(window.columns, window.columns.grid) *
    window.channels;
  return (floats * 4 + 15) & ~15;
}

/** Most pixels that a strip has. */
export function stripPixels(window: Window): i32 {
  return window.stripImages * window.stripRows * window.columns.grid;
}

/**
 * Opens the window of `images` images from `image` on, grid rows [row, row + count): afterwards `rowStride` and
 * `imageStride` hold. Returns the address of the source pixel that grid pixel (row, 0) of `image` reads first.
 */
export function openWindow(window: Window, image: i32, images: i32, row: i32, count: i32): usize {
  const rows = window.rows;
  const columns = window.columns;
  const firstRow = rows.origin + row * rows.step;
  const pixelBytes = <usize>window.channels * 4;
  const sourceRow = <usize>columns.size * pixelBytes;
  const sourceImage = <usize>rows.size * sourceRow;
  const source = window.source + <usize>image * sourceImage;
  if (!window.isPadded) {
    window.rowStride = sourceRow;
    window.imageStride = sourceImage;
    return source + <usize>firstRow * sourceRow + <usize>columns.origin * pixelBytes;
  }
  const width = extent(columns, columns.grid);
  window.rowStride = <usize>width * pixelBytes;
  window.imageStride = <usize>extent(rows, count) * window.rowStride;
  const left = min(width, max(0, -columns.origin));
  const right = max(left, min(width, columns.size - columns.origin));
  let target = window.padded;
  for (let i = 0; i < images; i++) {
    for (let r = firstRow; r < firstRow + extent(rows, count); r++) {
      if (r < 0 || r >= rows.size) {
        fill(target, 0, width * window.channels);
      } else {
        const from = source + <usize>i * sourceImage + <usize>r * sourceRow + <usize>(columns.origin + left) * pixelBytes;
        fill(target, 0, left * window.channels);
        copyFloats(from, target + <usize>left * pixelBytes, (right - left) * window.channels);
        fill(target + <usize>right * pixelBytes, 0, (width - right) * window.channels);
      }
      target += window.rowStride;
    }
  }
  return window.padded;
}
