/**
 * Average and maximum pooling of NHWC images, and their gradients.
 *
 * x: [batch, height, width, C]; y: [batch, outHeight, outWidth, C]. Output (oh, ow) reads the pixels
 * (oh·strideH + kh·dilationH − top, ow·strideW + kw·dilationW − left) that lie inside the image.
 */
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
        const factor = f32x4.splat(<f32>1 / <f32>max(countPadding ? kernelH * kernelW : inside, 1));
        for (let c = 0; c < channels; c += 4) {
          let sum = f32x4.splat(0);
          for (let kh = 0; kh < kernelH; kh++) {
            const h = h0 + kh * dilationH;
            if (<u32>h >= <u32>height) continue;
            for (let kw = 0; kw < kernelW; kw++) {
              const w = w0 + kw * dilationW;
              if (<u32>w >= <u32>width) continue;
              sum = f32x4.add(sum, read(x + <usize>(h * width + w) * pixel, c, channels));
            }
          }
          write(y + (<usize>c << 2), f32x4.mul(sum, factor), c, channels);
        }
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
  for (let n = 0; n < batch; n++) {
    memory.fill(dx, 0, image);
    for (let oh = 0; oh < outHeight; oh++) {
      const h0 = oh * strideH - top;
      const rows = taps(h0, kernelH, dilationH, height);
      for (let ow = 0; ow < outWidth; ow++, dy += pixel) {
        const w0 = ow * strideW - left;
        const inside = rows * taps(w0, kernelW, dilationW, width);
        const factor = f32x4.splat(<f32>1 / <f32>max(countPadding ? kernelH * kernelW : inside, 1));
        for (let c = 0; c < channels; c += 4) {
          const share = f32x4.mul(read(dy, c, channels), factor);
          for (let kh = 0; kh < kernelH; kh++) {
            const h = h0 + kh * dilationH;
            if (<u32>h >= <u32>height) continue;
            for (let kw = 0; kw < kernelW; kw++) {
              const w = w0 + kw * dilationW;
              if (<u32>w >= <u32>width) continue;
              const at = dx + <usize>(h * width + w) * pixel;
              write(at + (<usize>c << 2), f32x4.add(read(at, c, channels), share), c, channels);
            }
          }
        }
      }
    }
    dx += image;
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
        for (let c = 0; c < channels; c += 4) {
          let best = f32x4.splat(-Infinity);
          for (let kh = 0; kh < kernelH; kh++) {
            const h = h0 + kh * dilationH;
            if (<u32>h >= <u32>height) continue;
            for (let kw = 0; kw < kernelW; kw++) {
              const w = w0 + kw * dilationW;
              if (<u32>w >= <u32>width) continue;
              best = f32x4.max(best, read(x + <usize>(h * width + w) * pixel, c, channels));
            }
          }
          write(y + (<usize>c << 2), best, c, channels);
        }
      }
    }
    x += <usize>(height * width) * pixel;
  }
}

/** dx is cleared, then every output adds its dy to the first pixel of its window that equals y. */
export function maxPoolGradient(
  x: usize, y: usize, dy: usize, dx: usize,
  batch: i32, height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32,
  kernelH: i32, kernelW: i32, strideH: i32, strideW: i32, dilationH: i32, dilationW: i32,
  top: i32, left: i32,
): void {
  const pixel = <usize>channels << 2;
  const image = <usize>(height * width) * pixel;
  for (let n = 0; n < batch; n++) {
    memory.fill(dx, 0, image);
    for (let oh = 0; oh < outHeight; oh++) {
      const h0 = oh * strideH - top;
      for (let ow = 0; ow < outWidth; ow++, y += pixel, dy += pixel) {
        const w0 = ow * strideW - left;
        for (let c = 0; c < channels; c += 4) {
          const best = read(y, c, channels);
          let share = read(dy, c, channels);
          for (let kh = 0; kh < kernelH; kh++) {
            const h = h0 + kh * dilationH;
            if (<u32>h >= <u32>height) continue;
            for (let kw = 0; kw < kernelW; kw++) {
              const w = w0 + kw * dilationW;
              if (<u32>w >= <u32>width) continue;
              const offset = <usize>(h * width + w) * pixel;
              const hit = f32x4.eq(read(x + offset, c, channels), best);
              const at = dx + offset;
              const sum = f32x4.add(read(at, c, channels), v128.and(share, hit));
              write(at + (<usize>c << 2), sum, c, channels);
              share = v128.andnot(share, hit);
            }
          }
        }
      }
    }
    x += image;
    dx += image;
  }
}

/** How many of `kernel` taps from `first`, `dilation` apart, lie in [0, size). */
function taps(first: i32, kernel: i32, dilation: i32, size: i32): i32 {
  let inside = 0;
  for (let k = 0; k < kernel; k++) inside += i32(<u32>(first + k * dilation) < <u32>size);
  return inside;
}

/** Channels c … c + 3 of the pixel at `pixel`; those past the last channel are 0. */
// @ts-expect-error: decorator
@inline
function read(pixel: usize, c: i32, channels: i32): v128 {
  const at = pixel + (<usize>c << 2);
  return c + 4 <= channels ? v128.load(at) : loadTail(at, channels - c);
}

/** Stores the lanes of channels c … c + 3 that exist at `at`. */
// @ts-expect-error: decorator
@inline
function write(at: usize, lanes: v128, c: i32, channels: i32): void {
  if (c + 4 <= channels) v128.store(at, lanes);
  else storeTail(at, lanes, channels - c);
}
