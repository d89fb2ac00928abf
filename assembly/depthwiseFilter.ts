/** Operator: gradient of a depthwise convolution by its filter. */
import { tapProduct } from "./depthwiseMicrokernel";
import { vectorChannels } from "./depthwise";
import { storeTail } from "./tail";
import {
  forwardWindow, newWindow, openWindow, paddedBytes, setAxis, setStrips, Window, WINDOW_STRUCT_BYTES,
} from "./windows";

/** A window of dy alongside that of x, with the same strips; it only fills channels up. */
function gradientWindow(memory: usize, dy: usize, c: i32, oh: i32, ow: i32, like: Window): Window {
  const window = newWindow(memory, dy, c, vectorChannels(c));
  setAxis(window.rows, oh, 0, 1, 0, oh);
  setAxis(window.columns, ow, 0, 1, 0, ow);
  setStrips(window, like.stripRows, like.stripImages);
  return window;
}

/** Bytes of scratch that `depthwiseFilterGradient` needs; otherwise as `depthwiseScratch`. */
export function depthwiseFilterGradientScratch(
  header: usize, n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): usize {
  const channels = vectorChannels(c);
  const inputs = forwardWindow(header, 0, n, h, w, c, channels, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  const outputs = gradientWindow(header + WINDOW_STRUCT_BYTES, 0, c, oh, ow, inputs);
  return 2 * WINDOW_STRUCT_BYTES + <usize>(kh * kw * channels) * 4 + paddedBytes(inputs) + paddedBytes(outputs);
}

/**
 * dFilter[kh, kw, c] = Σ over n, oh, ow of x[n, oh·sh + kh·dh − top, ow·sw + kw·dw − left, c] · dy[n, oh, ow, c].
 *
 * @param scratch depthwiseFilterGradientScratch(…) bytes, aligned to 16
 */
export function depthwiseFilterGradient(
  x: usize, dy: usize, dFilter: usize, scratch: usize,
  n: i32, h: i32, w: i32, c: i32, kh: i32, kw: i32,
  sh: i32, sw: i32, dh: i32, dw: i32, top: i32, left: i32, oh: i32, ow: i32,
): void {
  const channels = vectorChannels(c);
  const inputs = forwardWindow(scratch, x, n, h, w, c, channels, kh, kw, sh, sw, dh, dw, top, left, oh, ow);
  const outputs = gradientWindow(scratch + WINDOW_STRUCT_BYTES, dy, c, oh, ow, inputs);
  const pixelBytes = inputs.pixelBytes;
  const sums = scratch + 2 * WINDOW_STRUCT_BYTES;
  inputs.padded = sums + <usize>(kh * kw) * pixelBytes;
  outputs.padded = inputs.padded + paddedBytes(inputs);
  for (let i: usize = 0; i < <usize>(kh * kw) * pixelBytes; i += 16) v128.store(sums + i, f32x4.splat(0));
  for (let image = 0; image < n; image += inputs.stripImages) {
    const images = min(inputs.stripImages, n - image);
    for (let row = 0; row < oh; row += inputs.stripRows) {
      const count = min(inputs.stripRows, oh - row);
      const a = openWindow(inputs, image, images, row, count);
      const b = openWindow(outputs, image, images, row, count);
      for (let at: usize = 0; at < pixelBytes; at += 16) {
        let sum = sums + at;
        for (let i = 0; i < kh; i++) {
          for (let j = 0; j < kw; j++) {
            const from = a + <usize>(i * dh) * inputs.rowStride + <usize>(j * dw) * pixelBytes + at;
            v128.store(sum, tapSum(inputs, outputs, from, sh, sw, b + at, images, count, ow, v128.load(sum)));
            sum += pixelBytes;
          }
        }
      }
    }
  }
  for (let tap = 0; tap < kh * kw; tap++) {
    for (let channel = 0; channel < c; channel += 4) {
      const sum = v128.load(sums + <usize>tap * pixelBytes + <usize>channel * 4);
      const target = dFilter + <usize>(tap * c + channel) * 4;
      if (c - channel < 4) storeTail(target, sum, c - channel);
      else v128.store(target, sum);
    }
  }
}

/** `sum` plus one tap's products over a strip, for one vector of channels. */
function tapSum(
  inputs: Window, outputs: Window, a: usize, sh: i32, sw: i32, b: usize, images: i32, rows: i32, pixels: i32, sum: v128,
): v128 {
  for (let i = 0; i < images; i++) {
    for (let r = 0; r < rows; r++) {
      const x = a + <usize>i * inputs.imageStride + <usize>(r * sh) * inputs.rowStride;
      const dy = b + <usize>i * outputs.imageStride + <usize>r * outputs.rowStride;
      sum = tapProduct(x, <usize>sw * inputs.pixelBytes, dy, outputs.pixelBytes, pixels, sum);
    }
  }
  return sum;
}
