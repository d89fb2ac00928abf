/**
 * Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), four counters at a
 * time. Its key is (seed, stream); counter word 0 counts blocks, word 1 binary digits of a probability, word 2
 * is 0 and word 3 says what the bits are for, so that values and masks of one key are independent.
 *
 * No `madd` in this file: both binaries give the same bits.
 */
import { cosTurns, log, sinTurns } from "../math";

/** Counter word 3 of values (integers, uniforms, normals) and of masks. */
const VALUES: i32 = 0;
const MASKS: i32 = 1;

/** A mask is made for so many elements at once: 16 words. */
const TILE: i32 = 512;
/** Probabilities are multiples of 2⁻¹⁶. */
const PROBABILITY_BITS: i32 = 16;

/** One vector of 32×32 → 64 bit products: high words. */
// @ts-expect-error: decorator
@inline
function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 1, 3, 5, 7);
}

// @ts-expect-error: decorator
@inline
function lowWords(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

/**
 * The 16 random words of the four blocks (c0 … c0 + 3, c1, c2, c3), 64 bytes at `out`: word j of the four
 * blocks is vector j.
 */
export function randomBlocks(out: usize, c0: i32, c1: i32, c2: i32, c3: i32, seed: i32, stream: i32): void {
  let x0 = i32x4.add(i32x4.splat(c0), i32x4(0, 1, 2, 3));
  let x1 = i32x4.splat(c1);
  let x2 = i32x4.splat(c2);
  let x3 = i32x4.splat(c3);
  const m0 = i32x4.splat(0xd2511f53);
  const m1 = i32x4.splat(0xcd9e8d57);
  let k0 = i32x4.splat(seed);
  let k1 = i32x4.splat(stream);
  for (let round = 0; round < 10; round++) {
    const low0 = i64x2.extmul_low_i32x4_u(x0, m0);
    const high0 = i64x2.extmul_high_i32x4_u(x0, m0);
    const low1 = i64x2.extmul_low_i32x4_u(x2, m1);
    const high1 = i64x2.extmul_high_i32x4_u(x2, m1);
    x0 = v128.xor(v128.xor(highWords(low1, high1), x1), k0);
    x2 = v128.xor(v128.xor(highWords(low0, high0), x3), k1);
    x1 = lowWords(low1, high1);
    x3 = lowWords(low0, high0);
    k0 = i32x4.add(k0, i32x4.splat(0x9e3779b9));
    k1 = i32x4.add(k1, i32x4.splat(0xbb67ae85));
  }
  v128.store(out, x0);
  v128.store(out, x1, 16);
  v128.store(out, x2, 32);
  v128.store(out, x3, 48);
}

/** 16·`groups` random words from block 4·`first` on. */
export function randomWords(out: usize, first: i32, groups: i32, seed: i32, stream: i32): void {
  for (let group = 0; group < groups; group++) {
    randomBlocks(out + ((<usize>group) << 6), (first + group) << 2, 0, 0, VALUES, seed, stream);
  }
}

/** Words to [0, 1) in steps of 2⁻²⁴. */
// @ts-expect-error: decorator
@inline
function unitInterval(words: v128): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(words, 8)), f32x4.splat(5.9604644775390625e-8));
}

/** Box–Muller: √(−2 ln u)·(cos, sin) 2πv with u in (0, 1], in place of the words of u and v. */
// @ts-expect-error: decorator
@inline
function boxMuller(at: usize): void {
  const u = f32x4.add(unitInterval(v128.load(at)), f32x4.splat(5.9604644775390625e-8));
  const v = unitInterval(v128.load(at, 16));
  const radius = f32x4.sqrt(f32x4.mul(log(u), f32x4.splat(-2)));
  v128.store(at, f32x4.mul(radius, cosTurns(v)));
  v128.store(at, f32x4.mul(radius, sinTurns(v)), 16);
}

/** `count` draws from N(0, 1). `spare`: 64 bytes of scratch. */
export function randomNormal(out: usize, count: i32, seed: i32, stream: i32, spare: usize): void {
  for (let i = 0; i < count; i += 16) {
    const whole = i + 16 <= count;
    const at = whole ? out + ((<usize>i) << 2) : spare;
    randomBlocks(at, i >> 2, 0, 0, VALUES, seed, stream);
    boxMuller(at);
    boxMuller(at + 32);
    if (!whole) copyWords(out + ((<usize>i) << 2), spare, count - i);
  }
}

/** `count` draws, uniform in [low, low + width). `spare`: 64 bytes of scratch. */
export function randomUniform(
  out: usize,
  count: i32,
  low: f32,
  width: f32,
  seed: i32,
  stream: i32,
  spare: usize,
): void {
  for (let i = 0; i < count; i += 16) {
    const whole = i + 16 <= count;
    const at = whole ? out + ((<usize>i) << 2) : spare;
    randomBlocks(at, i >> 2, 0, 0, VALUES, seed, stream);
    for (let j: usize = 0; j < 64; j += 16) {
      const scaled = f32x4.mul(unitInterval(v128.load(at + j)), f32x4.splat(width));
      v128.store(at + j, f32x4.add(scaled, f32x4.splat(low)));
    }
    if (!whole) copyWords(out + ((<usize>i) << 2), spare, count - i);
  }
}

function copyWords(to: usize, from: usize, count: i32): void {
  for (let j: usize = 0; j < (<usize>count) << 2; j += 4) store<u32>(to + j, load<u32>(from + j));
}

/**
 * The mask of elements 512·tile … 512·tile + 511, each bit 1 with probability `threshold`·2⁻¹⁶
 * (0 ≤ threshold ≤ 2¹⁶): bit 31 − j of lane l of vector w belongs to element 128·w + 4·j + l.
 *
 * Bits are combined digit by digit of the probability, least significant first: after a digit d the chance of
 * a 1 is (d + the chance before) / 2. So ½ takes one random bit an element and k/256 at most eight.
 *
 * @param out 64 bytes for the mask and 64 more of scratch
 */
export function maskTile(out: usize, tile: i32, threshold: i32, seed: i32, stream: i32): void {
  const start = i32x4.splat(threshold >> PROBABILITY_BITS ? -1 : 0);
  for (let w: usize = 0; w < 64; w += 16) v128.store(out + w, start);
  if (threshold <= 0 || threshold >= 1 << PROBABILITY_BITS) return;
  for (let digit = <i32>ctz(threshold); digit < PROBABILITY_BITS; digit++) {
    randomBlocks(out + 64, tile << 2, digit, 0, MASKS, seed, stream);
    const isOne = (threshold >> digit) & 1;
    for (let w: usize = 0; w < 64; w += 16) {
      const random = v128.load(out + 64 + w);
      const mask = v128.load(out + w);
      v128.store(out + w, isOne ? v128.or(mask, random) : v128.and(mask, random));
    }
  }
}

/**
 * The 128 mask bits of elements `first` … `first` + 127 (`first` a multiple of 128), as `maskTile` lays them
 * out. Successive calls must go upwards from a multiple of 512: only there is a tile made.
 */
// @ts-expect-error: decorator
@inline
export function maskRun(spare: usize, first: i32, threshold: i32, seed: i32, stream: i32): v128 {
  if ((first & (TILE - 1)) == 0) maskTile(spare, first / TILE, threshold, seed, stream);
  return v128.load(spare + (((first & (TILE - 1)) >> 7) << 4));
}

/** Elements that one vector of mask bits covers. */
export const MASK_RUN: i32 = 128;

/** The mask of the next four elements: all ones where the bit is 1. */
// @ts-expect-error: decorator
@inline
export function maskLanes(bits: v128): v128 {
  return i32x4.shr_s(bits, 31);
}
