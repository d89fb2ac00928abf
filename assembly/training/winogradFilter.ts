/**
 * Operator: gradient of a 3×3 convolution of stride 1 by its filter, by Winograd's F(3×3, 4×4).
 *
 * 36 products a tile, channel and output channel instead of 144: tiles of x and of dy are transformed, multiplied as 36
 * products of matrices [tiles, C]ᵀ·[tiles, O], a strip of tiles at a time, and their sum is transformed back once.
 */
import { fill } from "./fill";
import { TILE_COLUMNS } from "./microkernel";
import { multiplyPanels } from "./panelMicrokernel";
import { align, InputBand, openBand, planBand, rowOrZeros, transformIn } from "./winogradBand";
import {
  TAPS_SCRATCH_BYTES, transformGradientColumns, transformGradientRows, transformTaps,
} from "./winogradFilterTransforms";
import { POSITIONS, TILE_IN, TILE_OUT } from "./winogradTransforms";

/** Bytes of a strip's transformed tiles: with the sums of their products they stay in a common L2. */
const STRIP_BYTES: i32 = 1 << 18;
/** Fewest tiles of a strip: each reads and writes all sums. */
const MIN_STRIP_TILES: i32 = 32;

/** The sizes of one call, and where in its scratch everything is. */
@unmanaged
class Plan extends InputBand {
  tilesH: i32;
  /** Rows of tiles of a strip, of one image or of several. */
  stripRows: i32;
  /** Output channels in whole tiles of the micro-kernel. */
  columns: i32;
  /** A row of zeros, [OW, O]: what lies below dy. */
  noGradient: usize;
  /** Six rows of a row of tiles of dy, transformed along the height, [6, 4·tilesW, O]. */
  gradientBand: usize;
  gradientRow: usize;
  /** Bytes of a panel of four channels of a strip's tiles, [tiles][4]. */
  panel: usize;
  /** Transformed tiles, [36][C / 4] panels and [36][columns / 4] panels. */
  tiles: usize;
  gradients: usize;
  /** Sums of their products, [36] × [C, columns]; bytes from one to the next. */
  sums: usize;
  sumBytes: usize;
  taps: usize;
  end: usize;
}

const PLAN_BYTES: usize = 96;

/** An odd number of cache lines: arrays that far apart do not fall into the same sets of a cache. */
// @ts-expect-error: decorator
@inline
function oddLines(bytes: usize): usize {
  return ((bytes + 63) & ~63) | 64;
}

function plan(memory: usize, n: i32, w: i32, c: i32, o: i32, oh: i32, ow: i32): Plan {
  const it = changetype<Plan>(memory);
  it.tilesH = (oh + TILE_OUT - 1) / TILE_OUT;
  it.noGradient = planBand(it, memory + PLAN_BYTES, w, c, ow);
  it.columns = (o + TILE_COLUMNS - 1) & ~(TILE_COLUMNS - 1);
  const stripTiles = max(MIN_STRIP_TILES, STRIP_BYTES / (POSITIONS * (c + it.columns) * 4));
  it.stripRows = min(n * it.tilesH, (stripTiles + it.tilesW - 1) / it.tilesW);
  it.gradientBand = it.noGradient + align(<usize>(ow * o) * 4);
  it.gradientRow = <usize>(TILE_OUT * it.tilesW * o) * 4;
  it.panel = oddLines(<usize>(it.stripRows * it.tilesW) * 16);
  it.tiles = it.gradientBand + <usize>TILE_IN * it.gradientRow;
  it.gradients = it.tiles + <usize>(POSITIONS * (c >> 2)) * it.panel;
  it.sums = it.gradients + <usize>(POSITIONS * (it.columns >> 2)) * it.panel;
  it.sumBytes = oddLines(<usize>(c * it.columns) * 4);
  it.taps = it.sums + <usize>POSITIONS * it.sumBytes;
  it.end = it.taps + TAPS_SCRATCH_BYTES;
  return it;
}

/**
 * Bytes of scratch that `winogradFilterGradient` needs.
 *
 * @param header winogradFilterHeaderBytes() of memory to plan in
 */
export function winogradFilterScratch(header: usize, n: i32, w: i32, c: i32, o: i32, oh: i32, ow: i32): usize {
  return plan(header, n, w, c, o, oh, ow).end - header;
}

export function winogradFilterHeaderBytes(): usize {
  return PLAN_BYTES;
}

/** Transforms one row of tiles of dy, the image [oh, ow, o], from its row `top` on. */
function transformGradient(it: Plan, dy: usize, oh: i32, ow: i32, o: i32, top: i32, tiles: usize): void {
  const pixel = <usize>o * 4;
  const row = <usize>ow * pixel;
  // The band's columns after the image stay 0 throughout.
  transformGradientRows(
    dy + <usize>top * row, rowOrZeros(it.noGradient, dy, top + 1, oh, row),
    rowOrZeros(it.noGradient, dy, top + 2, oh, row), rowOrZeros(it.noGradient, dy, top + 3, oh, row),
    row, it.factors, it.gradientBand, it.gradientRow,
  );
  const position = <usize>(it.columns >> 2) * it.panel;
  let column = it.gradientBand;
  for (let tile = 0; tile < it.tilesW; tile++) {
    transformGradientColumns(column, it.gradientRow, pixel, it.factors, tiles, it.panel, position);
    column += <usize>TILE_OUT * pixel;
    tiles += 16;
  }
}

/**
 * dFilter[kh, kw, c, o] = Σ over n, oh, ow of x[n, oh + kh − top, ow + kw − left, c] · dy[n, oh, ow, o], with x = 0 outside.
 *
 * @param c, o multiples of 4
 * @param scratch winogradFilterScratch(…) bytes, aligned to 16
 */
export function winogradFilterGradient(
  x: usize, dy: usize, dFilter: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, o: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const it = plan(scratch, n, w, c, o, oh, ow);
  openBand(it, w, c);
  fill(it.noGradient, 0, ow * o);
  fill(it.gradientBand, 0, <i32>((<usize>TILE_IN * it.gradientRow) >> 2));
  const inputs = <usize>(c >> 2) * it.panel;
  const outputs = <usize>(it.columns >> 2) * it.panel;
  const sumRow = <usize>it.columns * 4;
  const xImage = <usize>(h * w * c) * 4;
  const yImage = <usize>(oh * ow * o) * 4;
  const total = n * it.tilesH;
  for (let strip = 0; strip < total; strip += it.stripRows) {
    const count = min(it.stripRows, total - strip);
    for (let r = 0; r < count; r++) {
      const image = (strip + r) / it.tilesH;
      const row = (strip + r - image * it.tilesH) * TILE_OUT;
      const at = <usize>(r * it.tilesW) * 16;
      transformIn(it, x + <usize>image * xImage, h, w, c, row - top, left, it.tiles + at, it.panel, inputs, 16);
      transformGradient(it, dy + <usize>image * yImage, oh, ow, o, row, it.gradients + at);
    }
    // Channels that fill up the last tile of eight hold anything, and nobody reads their sums.
    for (let position: usize = 0; position < <usize>POSITIONS; position++) {
      multiplyPanels(
        it.tiles + position * inputs, it.gradients + position * outputs, it.panel, count * it.tilesW, c, it.columns,
        it.sums + position * it.sumBytes, sumRow, strip > 0,
      );
    }
  }
  const tap = <usize>(c * o) * 4;
  for (let channel: usize = 0; channel < <usize>c; channel++) {
    const to = dFilter + channel * <usize>o * 4;
    transformTaps(it.sums + channel * sumRow, it.sumBytes, to, tap, <usize>o * 4, it.taps);
  }
}
