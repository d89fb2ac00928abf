/** Network inputs in memory: float32, NHWC (or [N, F]), normalized as the network expects them. */
export interface Images {
  /** [N, H, W, C] */
  shape: number[];
  data: Float32Array;
}

/** Images `start` … `end − 1` of a set, sharing its memory. */
export function slice({ shape: [count, ...rest], data }: Images, start: number, end: number): Images {
  const stride = data.length / count!;
  return { shape: [end - start, ...rest], data: data.subarray(start * stride, end * stride) };
}
