/**
 * Operator: 3×3 convolution of stride 1 by Winograd's F(4×4, 3×3), and its gradient by the input, which is one too.
 *
 * 36 products a tile, channel and output channel instead of 144. A strip of tiles at a time: transformed, multiplied
 * as 36 products of matrices [tiles, C]·[C, O], and transformed back, all while it is in L2.
 */
import { TILE_COLUMNS, TILE_ROWS } from "./microkernel";
import { packPanels } from "./packing";
import { multiplyShort } from "./shortMicrokernel";
import { packedBytes } from "./tiles";
import { align, InputBand, openBand, planBand, transformIn } from "./winogradBand";
import {
  FILTER_SCRATCH_BYTES, POSITIONS, TILE_IN, TILE_OUT, transformFilter, transformOutputColumns, transformOutputRows,
} from "./winogradTransforms";

/** Bytes of a strip's tiles, both sides of the products: together with the filter they stay in a common L2. */
const STRIP_BYTES: i32 = 1 << 18;
/** Fewest tiles of a strip: each reads the whole transformed filter. */
const MIN_STRIP_TILES: i32 = 16;

/** Keeps the 36 arrays of a transformed filter from falling into the same sets of a cache. */
const SKEW_BYTES: usize = 64;

const TAPS: i32 = 9;

/** The sizes of one call, and where in its scratch everything is. */
@unmanaged
class Plan extends InputBand {
  tilesH: i32;
  /** Rows of tiles of a strip, of one image or of several. */
  stripRows: i32;
  /** Output channels in whole panels. */
  columns: i32;
  /** A row of tiles, transformed back along the height, [tilesW, 4, 6, columns]. */
  outRows: usize;
  /** Transformed filter, packed: [36] × panels of [C, 8]. */
  filter: usize;
  filterBytes: usize;
  /** Transformed tiles, [tiles, 36, C], and their products with the filter, [tiles, 36, columns]. */
  tiles: usize;
  products: usize;
  end: usize;
}

const PLAN_BYTES: usize = 64;

/** Tiles in whole groups of four, as the micro-kernel takes them. */
// @ts-expect-error: decorator
@inline
function wholeRows(tiles: i32): i32 {
  return (tiles + TILE_ROWS - 1) & ~(TILE_ROWS - 1);
}

function plan(memory: usize, n: i32, w: i32, c: i32, o: i32, oh: i32, ow: i32): Plan {
  const it = changetype<Plan>(memory);
  it.tilesH = (oh + TILE_OUT - 1) / TILE_OUT;
  it.outRows = planBand(it, memory + PLAN_BYTES, w, c, ow);
  it.columns = (o + TILE_COLUMNS - 1) & ~(TILE_COLUMNS - 1);
  const tileBytes = POSITIONS * (c + it.columns) * 4;
  const stripTiles = max(MIN_STRIP_TILES, STRIP_BYTES / tileBytes);
  it.stripRows = min(n * it.tilesH, (stripTiles + it.tilesW - 1) / it.tilesW);
  it.filter = it.outRows + <usize>(it.tilesW * TILE_OUT * TILE_IN * it.columns) * 4;
  it.filterBytes = packedBytes(c, o) + SKEW_BYTES;
  it.tiles = it.filter + <usize>POSITIONS * it.filterBytes;
  const strip = <usize>(wholeRows(it.stripRows * it.tilesW) * POSITIONS) * 4;
  it.products = it.tiles + strip * <usize>c;
  // The packed taps are there before the first tile.
  it.end = max(it.products + strip * <usize>it.columns, it.tiles + <usize>TAPS * it.filterBytes + FILTER_SCRATCH_BYTES);
  return it;
}

/**
 * Bytes of scratch that `winograd` needs.
 *
 * @param header winogradHeaderBytes() of memory to plan in
 */
export function winogradScratch(header: usize, n: i32, w: i32, c: i32, o: i32, oh: i32, ow: i32): usize {
  return plan(header, n, w, c, o, oh, ow).end - header;
}

export function winogradHeaderBytes(): usize {
  return PLAN_BYTES;
}

/** Packs the nine taps, those of a rotated filter with C and O swapped, and transforms them. */
function prepareFilter(it: Plan, filter: usize, c: i32, o: i32, isRotated: bool): void {
  const tapBytes = <usize>(c * o) * 4;
  const taps = it.tiles;
  for (let tap = 0; tap < TAPS; tap++) {
    const to = taps + <usize>tap * it.filterBytes;
    if (isRotated) packPanels(filter + <usize>(TAPS - 1 - tap) * tapBytes, 4, <usize>c * 4, c, o, to);
    else packPanels(filter + <usize>tap * tapBytes, <usize>o * 4, 4, c, o, to);
  }
  transformFilter(taps, it.filterBytes, it.filter, taps + <usize>TAPS * it.filterBytes);
}

/** Transforms back one row of tiles: `height` ≤ 4 rows of the output at y, of `width` pixels of o channels. */
function transformOut(it: Plan, products: usize, y: usize, height: i32, width: i32, o: i32): void {
  const bytes = <usize>o * 4;
  const pixel = <usize>it.columns * 4;
  const tileBytes = <usize>(TILE_OUT * TILE_IN) * pixel;
  let rows = it.outRows;
  for (let tile = 0; tile < it.tilesW; tile++) {
    transformOutputRows(products, pixel, it.factors, rows);
    products += <usize>POSITIONS * pixel;
    rows += tileBytes;
  }
  // Row after row of the output, not tile after tile: stores that run on take two thirds of the time.
  for (let r = 0; r < height; r++) {
    const from = it.outRows + <usize>(r * TILE_IN) * pixel;
    transformOutputColumns(from, pixel, tileBytes, it.factors, y, bytes, width);
    y += <usize>width * bytes;
  }
}

/**
 * y[n, oh, ow, o] = Σ x[n, oh + kh − top, ow + kw − left, c] · g[kh, kw, c, o], with x = 0 outside. g is `filter`
 * [3, 3, C, O], or, if `isRotated`, filter [3, 3, O, C] rotated by 180° and transposed: then x is dy, and y is dx of
 * the convolution that has 2 − top and 2 − left for its padding.
 *
 * @param c, o multiples of 4
 * @param scratch winogradScratch(…) bytes, aligned to 16
 */
export function winograd(
  x: usize, filter: usize, y: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, o: i32, top: i32, left: i32, oh: i32, ow: i32, isRotated: bool,
): void {
  const it = plan(scratch, n, w, c, o, oh, ow);
  prepareFilter(it, filter, c, o, isRotated);
  openBand(it, w, c);
  const pixelIn = <usize>c * 4;
  const tileIn = <usize>(POSITIONS * c) * 4;
  const tileOut = <usize>(POSITIONS * it.columns) * 4;
  const xImage = <usize>(h * w * c) * 4;
  const yRow = <usize>(ow * o) * 4;
  const total = n * it.tilesH;
  for (let strip = 0; strip < total; strip += it.stripRows) {
    const count = min(it.stripRows, total - strip);
    for (let r = 0; r < count; r++) {
      const image = (strip + r) / it.tilesH;
      const row = (strip + r - image * it.tilesH) * TILE_OUT;
      const tiles = it.tiles + <usize>(r * it.tilesW) * tileIn;
      transformIn(it, x + <usize>image * xImage, h, w, c, row - top, left, tiles, 16, pixelIn, tileIn);
    }
    // Tiles that fill up the last four hold what was there before, and nobody reads their products.
    const tiles = wholeRows(count * it.tilesW);
    for (let position = 0; position < POSITIONS; position++) {
      const from = it.tiles + <usize>(position * c) * 4;
      const to = it.products + <usize>(position * it.columns) * 4;
      const panels = it.filter + <usize>position * it.filterBytes;
      multiplyShort(from, tileIn, tiles, c, panels, to, tileOut, it.columns);
    }
    for (let r = 0; r < count; r++) {
      const image = (strip + r) / it.tilesH;
      const row = (strip + r - image * it.tilesH) * TILE_OUT;
      const products = it.products + <usize>(r * it.tilesW) * tileOut;
      transformOut(it, products, y + <usize>(image * oh + row) * yRow, min(TILE_OUT, oh - row), ow, o);
    }
  }
}
