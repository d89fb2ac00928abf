/** What stands for "no bound" in ONNX: the largest single. */
export const FLOAT_MAX = 3.4028234663852886e38;
