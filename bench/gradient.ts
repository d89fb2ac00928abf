/** The backward pass of an op apart from its forward pass. */
import { engine, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** Gradient by input name, lazy, as the op registered it. */
export type Backward = (dys: Tensor[]) => Record<string, () => Tensor>;

export interface Recorded {
  backward: Backward;
  /** Releases what the tape had saved. */
  dispose(): void;
}

/**
 * Runs `op` once under tfjs's tape and takes from there the gradient function of the first op that ran.
 *
 * @param inputs What the tape is to differentiate by.
 */
export function record(op: () => Tensor, inputs: Tensor[]): Recorded {
  let recorded: Recorded | undefined;
  tidy(() => {
    engine().gradients(() => {
      const y = op();
      const node = engine().state.activeTape[0]!;
      const saved = node.saved ?? [];
      // The tape disposes what it saved for this node as soon as this gradient is computed: leave it nothing.
      node.saved = [];
      recorded = {
        backward: node.gradient!,
        dispose: () => {
          for (const tensor of saved) tensor.dispose();
        },
      };
      return y;
    }, inputs);
  });
  return recorded!;
}
