/** From normalized images to the range that the network takes. */
import { keep, type Tensor, tensor1d } from "@tensorflow/tfjs-core";
import type { InputRange } from "../ir/graph.ts";
import { reshape } from "../kernels/layout.ts";
import { scaleShift } from "../kernels/normalize.ts";
import { isPublishedRange } from "./inputRange.ts";

export interface Rescaling {
  /** std·x + mean for x [B, H, W, C], by channel or by column and channel, on the tape. */
  apply(x: Tensor): Tensor;
  dispose(): void;
}

/** Does nothing at all for the published range. */
export function createRescaling(range: InputRange): Rescaling {
  if (isPublishedRange(range)) return { apply: (x) => x, dispose: () => {} };
  const units = range.mean.length;
  const scale = keep(tensor1d(Float32Array.from(range.std)));
  const shift = keep(tensor1d(Float32Array.from(range.mean)));
  return {
    apply(x) {
      if (x.shape.at(-1) === units) return scaleShift(x, scale, shift);
      return reshape(scaleShift(reshape(x, [-1, units]), scale, shift), x.shape);
    },
    dispose() {
      scale.dispose();
      shift.dispose();
    },
  };
}
