/**
 * Convolutions visit an image a strip at a time: a grid of output pixels, a few rows of one image or a few whole
 * images, and the window of the source that these pixels read, with its border of zeros.
 */
import { fill } from "./fill";
import { copyFloats, touchRows } from "./packing";
import { gridSize } from "./phases";

/** Most bytes of a strip's window: half of a common L2, where it stays while all filters pass. */
const WINDOW_BYTES: i32 = 1 << 19;
/** Most grid pixels of a strip: more bring no more reuse of the filter, but crowd L1. */
const STRIP_PIXELS: i32 = 512;

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
  /** Bytes of a pixel. */
  pixelBytes: usize;
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
function newWindow(memory: usize, source: usize, channels: i32): Window {
  const window = changetype<Window>(memory);
  window.rows = changetype<Axis>(memory + offsetof<Window>());
  window.columns = changetype<Axis>(memory + offsetof<Window>() + AXIS_BYTES);
  window.source = source;
  window.channels = channels;
  window.pixelBytes = <usize>channels * 4;
  return window;
}

function setAxis(axis: Axis, size: i32, origin: i32, step: i32, halo: i32, grid: i32): void {
  axis.size = size;
  axis.origin = origin;
  axis.step = step;
  axis.halo = halo;
  axis.grid = grid;
}

/** The window of x for y = conv(x): the grid is y's. */
export function forwardWindow(
  memory: usize, x: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): Window {
  const window = newWindow(memory, x, c);
  setAxis(window.rows, h, -top, sh, (kh - 1) * dh, oh);
  setAxis(window.columns, w, -left, sw, (kw - 1) * dw, ow);
  planStrips(window, n);
  return window;
}

/** The window of dy for dx: the grid is the j of `phases.ts`, counted from the least one, ⌊before / stride⌋. */
export function inputGradientWindow(
  memory: usize, dy: usize, n: i32, h: i32, w: i32, kh: i32, kw: i32, o: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): Window {
  const window = newWindow(memory, dy, o);
  const haloH = ((kh - 1) * dh) / sh;
  const haloW = ((kw - 1) * dw) / sw;
  setAxis(window.rows, oh, top / sh - haloH, 1, haloH, gridSize(h, sh, top));
  setAxis(window.columns, ow, left / sw - haloW, 1, haloW, gridSize(w, sw, left));
  planStrips(window, n);
  return window;
}

/** Chooses the strips' size. Needs no memory but the Window. */
function planStrips(window: Window, images: i32): void {
  const rows = window.rows;
  const columns = window.columns;
  const rowBytes = extent(columns, columns.grid) * <i32>window.pixelBytes;
  const imageBytes = <i64>extent(rows, rows.grid) * rowBytes;
  const imagePixels = <i64>rows.grid * columns.grid;
  if (imageBytes <= WINDOW_BYTES && imagePixels <= STRIP_PIXELS) {
    window.stripRows = rows.grid;
    window.stripImages = min(images, min(WINDOW_BYTES / <i32>imageBytes, STRIP_PIXELS / <i32>imagePixels));
  } else {
    const byBytes = (WINDOW_BYTES / rowBytes - rows.halo - 1) / rows.step + 1;
    const limit = max(1, min(byBytes, STRIP_PIXELS / columns.grid));
    const strips = (rows.grid + limit - 1) / limit;
    window.stripRows = (rows.grid + strips - 1) / strips;
    window.stripImages = 1;
  }
  window.isPadded = !(inside(rows) && inside(columns));
}

/** Bytes of the padded window of one strip. */
export function paddedBytes(window: Window): usize {
  if (!window.isPadded) return 0;
  const pixels =
    <usize>window.stripImages * extent(window.rows, window.stripRows) * extent(window.columns, window.columns.grid);
  return (pixels * window.pixelBytes + 15) & ~15;
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
  const sourceRow = <usize>columns.size * window.pixelBytes;
  const sourceImage = <usize>rows.size * sourceRow;
  const source = window.source + <usize>image * sourceImage + <usize>columns.origin * window.pixelBytes;
  if (!window.isPadded) {
    window.rowStride = sourceRow;
    window.imageStride = sourceImage;
    return source + <usize>firstRow * sourceRow;
  }
  const width = extent(columns, columns.grid);
  const height = extent(rows, count);
  window.rowStride = <usize>width * window.pixelBytes;
  window.imageStride = <usize>height * window.rowStride;
  const left = min(width, max(0, -columns.origin));
  const right = max(left, min(width, columns.size - columns.origin));
  let target = window.padded;
  for (let i = 0; i < images; i++) {
    for (let r = firstRow; r < firstRow + height; r++) {
      const isOutside = r < 0 || r >= rows.size;
      const from = (isOutside ? width : left) * window.channels;
      const to = (isOutside ? width : right) * window.channels;
      const sourceAt = source + <usize>i * sourceImage + <usize>r * sourceRow;
      fill(target, 0, from);
      copyFloats(sourceAt + <usize>from * 4, target + <usize>from * 4, to - from);
      fill(target + <usize>to * 4, 0, width * window.channels - to);
      target += window.rowStride;
    }
  }
  return window.padded;
}

/** Touches the window opened at `from`, of which all pixels are read; putting together one with a border has done so. */
export function touchWindow(window: Window, from: usize, images: i32, count: i32): void {
  const rows = window.rows;
  const columns = window.columns;
  if (window.isPadded || rows.step > 1 || columns.step > 1) return;
  // More than one image are whole ones, without a gap.
  const before = images * extent(rows, count) - 1;
  touchRows(from, window.pixelBytes, before * columns.size + extent(columns, columns.grid));
}
