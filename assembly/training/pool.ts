/**
 * Average and maximum pooling of NHWC images, and their gradients.
 *
 * x: [batch, height, width, C]; y: [batch, outHeight, outWidth, C]. Output (oh, ow) reads the pixels
 * (oh·strideH + kh·dilationH − top, ow·strideW + kw·dilationW − left) that lie inside the image.
 *
 * The loops run over the channels of one pixel at a time, tap by tap: contiguous data, and the output pixel stays
 * in the first-level cache.
 */
import { fill } from "./fill";
import { loadTail, storeTail } from "./tail";

/** divisor: kernelH·kernelW with `countPadding`, else the number of pixels inside the image. */
export function averagePool(
  x: usize, y: usize,
  batch: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
  kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, dilationH: i32, dilationW: i32,
  top: i32, left: i32, countPadding: i32,
): void {
  const pixel = <usize>channels << 2;
  for (let n = 0; n < batch; n++) {
    for (let oh = 0; oh < outHeight; oh++) {
      const h0 = oh * strideH - top;
      const rows = taps(h0, kernelH, dilationH, height);
      for (let ow = 0; ow < outWidth; ow++, y += pixel) {
        const w0 = ow * strideW - left;
        const inside = rows * taps(w0, kernelW, dilationW, width);
        memory.fill(y, 0, pixel);
        for (let kh = 0; kh < kernelH; kh++) {
          const h = h0 + kh * dilationH;
          if (<u32>h >= <u32>height) continue;
          for (let kw = 0; kw < kernelW; kw++) {
            const w = w0 + kw * dilationW;
            if (<u32>w < <u32>width) addPixel(y, x + <usize>(h * width + w) * pixel, 1, channels);
          }
        }
        scalePixel(y, <f32>1 / <f32>max(countPadding ? kernelH * kernelW : inside, 1), channels);
      }
    }
    x += <usize>(height * width) * pixel;
  }
}

/** dx is cleared, then every output adds its share of dy to the pixels it read. */
export function averagePoolGradient(
  dy: usize, dx: usize,
  batch: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
  kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, dilationH: i32, dilationW: i32,
  top: i32, left: i32, countPadding: i32,
): void {
  const pixel = <usize>channels << 2;
  const image = <usize>(height * width) * pixel;
  for (let n = 0; n < batch; n++, dx += image) {
    memory.fill(dx, 0, image);
    for (let oh = 0; oh < outHeight; oh++) {
      const h0 = oh * strideH - top;
      const rows = taps(h0, kernelH, dilationH, height);
      for (let ow = 0; ow < outWidth; ow++, dy += pixel) {
        const w0 = ow * strideW - left;
        const inside = rows * taps(w0, kernelW, dilationW, width);
        const share = <f32>1 / <f32>max(countPadding ? kernelH * kernelW : inside, 1);
        for (let kh = 0; kh < kernelH; kh++) {
          const h = h0 + kh * dilationH;
          if (<u32>h >= <u32>height) continue;
          for (let kw = 0; kw < kernelW; kw++) {
            const w = w0 + kw * dilationW;
            if (<u32>w < <u32>width) addPixel(dx + <usize>(h * width + w) * pixel, dy, share, channels);
          }
        }
      }
    }
  }
}

/** y: the maximum of the pixels inside the image, −∞ where there is none. */
export function maxPool(
  x: usize, y: usize,
  batch: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
  kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, dilationH: i32, dilationW: i32,
  top: i32, left: i32,
): void {
  const pixel = <usize>channels << 2;
  for (let n = 0; n < batch; n++) {
    for (let oh = 0; oh < outHeight; oh++) {
      const h0 = oh * strideH - top;
      for (let ow = 0; ow < outWidth; ow++, y += pixel) {
        const w0 = ow * strideW - left;
        fill(y, -Infinity, channels);
        for (let kh = 0; kh < kernelH; kh++) {
          const h = h0 + kh * dilationH;
          if (<u32>h >= <u32>height) continue;
          for (let kw = 0; kw < kernelW; kw++) {
            const w = w0 + kw * dilationW;
            if (<u32>w < <u32>width) maxPixel(y, x + <usize>(h * width + w) * pixel, channels);
          }
        }
      }
    }
    x += <usize>(height * width) * pixel;
  }
}

/**
 * dx is cleared, then every output adds its dy to the first pixel of its window that equals y.
 * `scratch`: C floats, what of dy has found no pixel yet.
 */
export function maxPoolGradient(
  x: usize, y: usize, dy: usize, dx: usize,
  batch: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
  kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, dilationH: i32, dilationW: i32,
  top: i32, left: i32, scratch: usize,
): void {
  const pixel = <usize>channels << 2;
  const image = <usize>(height * width) * pixel;
  for (let n = 0; n < batch; n++, x += image, dx += image) {
    memory.fill(dx, 0, image);
    for (let oh = 0; oh < outHeight; oh++) {
      const h0 = oh * strideH - top;
      for (let ow = 0; ow < outWidth; ow++, y += pixel, dy += pixel) {
        const w0 = ow * strideW - left;
        memory.copy(scratch, dy, pixel);
        for (let kh = 0; kh < kernelH; kh++) {
          const h = h0 + kh * dilationH;
          if (<u32>h >= <u32>height) continue;
          for (let kw = 0; kw < kernelW; kw++) {
            const w = w0 + kw * dilationW;
            if (<u32>w >= <u32>width) continue;
            const offset = <usize>(h * width + w) * pixel;
            claimPixel(dx + offset, x + offset, y, scratch, channels);
          }
        }
      }
    }
  }
}

/** How many of `kernel` taps from `first`, `dilation` apart, lie in [0, size). */
function taps(first: i32, kernel: i32, dilation: i32, size: i32): i32 {
  let inside = 0;
  for (let k = 0; k < kernel; k++) inside += i32(<u32>(first + k * dilation) < <u32>size);
  return inside;
}

/** to[c] += factor·from[c] */
function addPixel(to: usize, from: usize, factor: f32, channels: i32): void {
  const share = f32x4.splat(factor);
  for (; channels >= 4; channels -= 4, to += 16, from += 16) {
    v128.store(to, f32x4.add(v128.load(to), f32x4.mul(v128.load(from), share)));
  }
  if (channels == 0) return;
  storeTail(to, f32x4.add(loadTail(to, channels), f32x4.mul(loadTail(from, channels), share)), channels);
}

/** to[c] = max(to[c], from[c]) */
function maxPixel(to: usize, from: usize, channels: i32): void {
  for (; channels >= 4; channels -= 4, to += 16, from += 16) {
    v128.store(to, f32x4.max(v128.load(to), v128.load(from)));
  }
  if (channels == 0) return;
  storeTail(to, f32x4.max(loadTail(to, channels), loadTail(from, channels)), channels);
}

/** to[c] = factor·to[c] */
function scalePixel(to: usize, factor: f32, channels: i32): void {
  const scale = f32x4.splat(factor);
  for (; channels >= 4; channels -= 4, to += 16) v128.store(to, f32x4.mul(v128.load(to), scale));
  if (channels > 0) storeTail(to, f32x4.mul(loadTail(to, channels), scale), channels);
}

/** dx[c] += rest[c] and rest[c] = 0 wherever x[c] = y[c]. */
function claimPixel(dx: usize, x: usize, y: usize, rest: usize, channels: i32): void {
  for (; channels >= 4; channels -= 4, dx += 16, x += 16, y += 16, rest += 16) {
    const hit = f32x4.eq(v128.load(x), v128.load(y));
    const left = v128.load(rest);
    v128.store(dx, f32x4.add(v128.load(dx), v128.and(left, hit)));
    v128.store(rest, v128.andnot(left, hit));
  }
  if (channels == 0) return;
  const hit = f32x4.eq(loadTail(x, channels), loadTail(y, channels));
  const left = loadTail(rest, channels);
  storeTail(dx, f32x4.add(loadTail(dx, channels), v128.and(left, hit)), channels);
  storeTail(rest, v128.andnot(left, hit), channels);
}
