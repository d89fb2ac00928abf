/** Network inputs in memory: float32, NHWC (or [N, F]), normalized as the network expects them. */
export interface Images {
  /** [N, H, W, C] */
  shape: number[];
  data: Float32Array;
}
