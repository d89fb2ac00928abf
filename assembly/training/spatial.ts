/** Moves of whole pixels of NHWC images: nearest upsampling and the swing, with their gradients. */
import { loadTail, storeTail } from "./tail";

/** y[n, oh, ow] = x[n, ⌊oh/factorH⌋, ⌊ow/factorW⌋]; x: [rows = batch·height, width, C]. */
export function upsampleNearest(
  x: usize,
  y: usize,
  rows: i32,
  width: i32,
  channels: i32,
  factorH: i32,
  factorW: i32,
): void {
  const pixel = <usize>channels << 2;
  const outRow = <usize>(width * factorW) * pixel;
  for (let r = 0; r < rows; r++) {
    const first = y;
    for (let w = 0; w < width; w++, x += pixel) {
      for (let k = 0; k < factorW; k++, y += pixel) copy(y, x, channels);
    }
    for (let k = 1; k < factorH; k++, y += outRow) memory.copy(y, first, outRow);
  }
}

/** dx = Σ of dy over the factorH·factorW copies of each pixel. */
export function upsampleNearestGradient(
  dy: usize,
  dx: usize,
  rows: i32,
  width: i32,
  channels: i32,
  factorH: i32,
  factorW: i32,
): void {
  const pixel = <usize>channels << 2;
  const outRow = <usize>(width * factorW) * pixel;
  for (let r = 0; r < rows; r++, dy += outRow * <usize>factorH) {
    for (let w = 0; w < width; w++, dx += pixel) {
      const from = dy + <usize>(w * factorW) * pixel;
      if (factorH == 2 && factorW == 2) sumOfFour(dx, from, from + outRow, pixel, channels);
      else sumOfMany(dx, from, outRow, pixel, channels, factorH, factorW);
    }
  }
}

/** One pixel of dx for the usual factors. */
// @ts-expect-error: decorator
@inline
function sumOfFour(dx: usize, upper: usize, lower: usize, pixel: usize, channels: i32): void {
  let c = 0;
  for (; c + 4 <= channels; c += 4, upper += 16, lower += 16, dx += 16) {
    const above = f32x4.add(v128.load(upper), v128.load(upper + pixel));
    v128.store(dx, f32x4.add(above, f32x4.add(v128.load(lower), v128.load(lower + pixel))));
  }
  for (; c < channels; c++, upper += 4, lower += 4, dx += 4) {
    store<f32>(dx, load<f32>(upper) + load<f32>(upper + pixel) + (load<f32>(lower) + load<f32>(lower + pixel)));
  }
}

function sumOfMany(
  dx: usize,
  from: usize,
  outRow: usize,
  pixel: usize,
  channels: i32,
  factorH: i32,
  factorW: i32,
): void {
  for (let c = 0; c < channels; c += 4) {
    let sum = f32x4.splat(0);
    for (let kh = 0; kh < factorH; kh++) {
      const at = from + <usize>kh * outRow;
      for (let kw = 0; kw < factorW; kw++) sum = f32x4.add(sum, read(at + <usize>kw * pixel, c, channels));
    }
    write(dx, sum, c, channels);
  }
}

/**
 * y[n, h, w] = x[n, mirror(h + shiftH), mirror(w + shiftW)], shifts −1, 0 or 1: reflect-padding by 1 and cropping
 * back. mirror(−1) = 1, mirror(size) = size − 2; a size of 1 has nothing to reflect and repeats its one pixel.
 */
export function reflectShift(
  x: usize,
  y: usize,
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  shiftH: i32,
  shiftW: i32,
): void {
  const pixel = <usize>channels << 2;
  const row = <usize>width * pixel;
  const begin = max(shiftW, 0);
  const kept = <usize>(width - abs(shiftW)) * pixel;
  const edge = shiftW < 0 ? 0 : width - 1;
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < height; h++, y += row) {
      const from = x + <usize>mirror(h + shiftH, height) * row;
      memory.copy(y + <usize>max(-shiftW, 0) * pixel, from + <usize>begin * pixel, kept);
      if (shiftW != 0) {
        copy(y + <usize>edge * pixel, from + <usize>mirror(edge + shiftW, width) * pixel, channels);
      }
    }
    x += <usize>height * row;
  }
}

/** dx: every pixel of dy added to the pixel it was read from. */
export function reflectShiftGradient(
  dy: usize,
  dx: usize,
  batch: i32,
  height: i32,
  width: i32,
  channels: i32,
  shiftH: i32,
  shiftW: i32,
): void {
  const pixel = <usize>channels << 2;
  const row = <usize>width * pixel;
  // The row and the column that lie beyond the image, after the shift, and those that nothing moves onto.
  const edgeH = shiftH < 0 ? 0 : height - 1;
  const edgeW = shiftW < 0 ? 0 : width - 1;
  const bareW = width - 1 - edgeW;
  const begin = <usize>max(shiftW, 0) * pixel;
  const source = <usize>max(-shiftW, 0) * pixel;
  const kept = <usize>(width - abs(shiftW)) * pixel;
  for (let n = 0; n < batch; n++) {
    for (let h = 0; h < height; h++) {
      const to = dx + <usize>h * row;
      const from = h - shiftH;
      if (<u32>from >= <u32>height) {
        memory.fill(to, 0, row);
        continue;
      }
      const line = dy + <usize>from * row;
      memory.copy(to + begin, line + source, kept);
      if (shiftW != 0) {
        memory.fill(to + <usize>bareW * pixel, 0, pixel);
        accumulate(to + <usize>mirror(edgeW + shiftW, width) * pixel, line + <usize>edgeW * pixel, channels);
      }
    }
    if (shiftH != 0) {
      const to = dx + <usize>mirror(edgeH + shiftH, height) * row;
      const line = dy + <usize>edgeH * row;
      accumulate(to + begin, line + source, (width - abs(shiftW)) * channels);
      if (shiftW != 0) {
        accumulate(to + <usize>mirror(edgeW + shiftW, width) * pixel, line + <usize>edgeW * pixel, channels);
      }
    }
    dx += <usize>height * row;
    dy += <usize>height * row;
  }
}

/** Index −1 … size, reflected into [0, size). */
// @ts-expect-error: decorator
@inline
function mirror(index: i32, size: i32): i32 {
  if (index < 0) return min(1, size - 1);
  if (index >= size) return max(size - 2, 0);
  return index;
}

/** to[i] += from[i] */
// @ts-expect-error: decorator
@inline
function accumulate(to: usize, from: usize, count: i32): void {
  for (let c = 0; c < count; c += 4) write(to, f32x4.add(read(to, c, count), read(from, c, count)), c, count);
}

/** Copies one pixel; for so few bytes memory.copy costs more than it moves. */
// @ts-expect-error: decorator
@inline
function copy(to: usize, from: usize, channels: i32): void {
  let c = 0;
  for (; c + 4 <= channels; c += 4, to += 16, from += 16) v128.store(to, v128.load(from));
  for (; c < channels; c++, to += 4, from += 4) store<f32>(to, load<f32>(from));
}

// @ts-expect-error: decorator
@inline
function read(pixel: usize, c: i32, channels: i32): v128 {
  const at = pixel + (<usize>c << 2);
  return c + 4 <= channels ? v128.load(at) : loadTail(at, channels - c);
}

// @ts-expect-error: decorator
@inline
function write(pixel: usize, lanes: v128, c: i32, channels: i32): void {
  const at = pixel + (<usize>c << 2);
  if (c + 4 <= channels) v128.store(at, lanes);
  else storeTail(at, lanes, channels - c);
}
