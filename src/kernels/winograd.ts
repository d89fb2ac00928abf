/** 3×3 convolutions of stride 1 by Winograd's F(4×4, 3×3): a quarter of the multiply-adds (Lavin & Gray 2016). */
import type { Tensor } from "@tensorflow/tfjs-core";
import { address, kernels, scratch } from "./heap.ts";

/** A convolution with one group, dilation 1 and stride 1 of x [N, H, W, C] to y [N, OH, OW, O]. */
export interface UnitConvolution {
  n: number;
  h: number;
  w: number;
  c: number;
  o: number;
  /** Rows and columns of zeros before the input; negative where the first ones are skipped. */
  top: number;
  left: number;
  oh: number;
  ow: number;
}

/** Outputs of a tile along an axis. */
const TILE = 4;
/** The kernel's vectors are of four channels. */
const LANES = 4;
/** Multiply-adds of an output, and products of a tile, for each pair of channels. */
const DIRECT_PRODUCTS = 9;
const TILE_PRODUCTS = 36;
/** What transforming a tile costs for a channel, in multiply-adds: measured from 4 to 64 channels. */
const TRANSFORM_COST = 225;
/** What transforming the filter costs for a pair of channels, in multiply-adds: 100 in L2, 600 where it is 36 MB. */
const FILTER_COST = 300;

/**
 * Whether Winograd's algorithm can do this convolution and takes less time than the direct one; its gradient by the
 * filter as well, whose costs are the same within what was measured. All costs are in multiply-adds for a pair of
 * channels, which both do at about the same rate (bench/README.md).
 */
export function winogradPays({ n, c, o, oh, ow }: UnitConvolution): boolean {
  if (c % LANES !== 0 || o % LANES !== 0) return false;
  const tiles = n * Math.ceil(oh / TILE) * Math.ceil(ow / TILE);
  const tileCost = TILE_PRODUCTS + TRANSFORM_COST * (1 / c + 1 / o);
  return tiles * tileCost + FILTER_COST < DIRECT_PRODUCTS * n * oh * ow;
}

/**
 * y[n, oh, ow, o] = Σ x[n, oh + kh − top, ow + kw − left, c] · g[kh, kw, c, o], with x = 0 outside.
 *
 * Rounding errors are about twice those of a direct sum: the transforms are not exact. Transforming the filter takes
 * less than a percent of a call on a batch of images, so nothing is kept between calls.
 *
 * @param filter g, or, if `isRotated`, the filter [3, 3, O, C] that rotated by 180° and transposed is g.
 */
export function winograd(
  x: Tensor,
  filter: Tensor,
  y: Tensor,
  { n, h, w, c, o, top, left, oh, ow }: UnitConvolution,
  isRotated: boolean,
): void {
  const wasm = kernels();
  const memory = scratch(wasm.winogradScratch(scratch(wasm.winogradHeaderBytes()), n, w, c, o, oh, ow));
  wasm.winograd(address(x), address(filter), address(y), memory, n, h, w, c, o, top, left, oh, ow, isRotated);
}

/**
 * dFilter[kh, kw, c, o] = Σ over n, oh, ow of x[n, oh + kh − top, ow + kw − left, c] · dy[n, oh, ow, o], with x = 0
 * outside: F(3×3, 4×4), with the same points and rounding errors.
 */
export function winogradFilterGradient(
  x: Tensor,
  dy: Tensor,
  dFilter: Tensor,
  { n, h, w, c, o, top, left, oh, ow }: UnitConvolution,
): void {
  const wasm = kernels();
  const header = scratch(wasm.winogradFilterHeaderBytes());
  const memory = scratch(wasm.winogradFilterScratch(header, n, w, c, o, oh, ow));
  wasm.winogradFilterGradient(
    address(x),
    address(dy),
    address(dFilter),
    memory,
    n,
    h,
    w,
    c,
    o,
    top,
    left,
    oh,
    ow,
  );
}
