/** How a kernel becomes a differentiable operation on tfjs's tape. */
import { engine, type NamedTensorMap, type Tensor, zeros } from "@tensorflow/tfjs-core";
import { share } from "./heap.ts";

/** Gradient by input name, each a tensor of its own. Lazy: only those are called that some variable needs. */
export type InputGradients = Record<string, () => Tensor>;

export interface OpDefinition<Inputs extends NamedTensorMap, Attributes> {
  /** What it is called on the tape. */
  name: string;
  forward(inputs: Inputs, attributes: Attributes): Tensor | Tensor[];
  gradient: {
    /** Inputs that `backward` reads; they stay alive until it is done. */
    savedInputs?: (keyof Inputs & string)[];
    /** For each output, whether `backward` reads it. */
    savedOutputs?: boolean[];
    /** `saved` holds the saved inputs in the order named, then the saved outputs. */
    backward(dys: Tensor[], saved: Tensor[], attributes: Attributes): InputGradients;
  };
}

/**
 * The function that runs the op: on the tape when a gradient is being recorded, as a plain call otherwise. Its result
 * is always an array of the op's outputs.
 *
 * It writes on the tape itself. tfjs's `runKernel` would run a kernel of its own for every tensor that is saved, and
 * put that on the tape as well.
 */
export function defineOp<Inputs extends NamedTensorMap, Attributes extends object>({
  name,
  forward,
  gradient: { savedInputs = [], savedOutputs = [], backward },
}: OpDefinition<Inputs, Attributes>): (inputs: Inputs, attributes: Attributes) => Tensor[] {
  return (inputs, attributes) => {
    const runtime = engine();
    const { state } = runtime;
    const isRecorded = runtime.isTapeOn();
    // What the op is made of is not recorded: the op's own gradient stands for it.
    state.kernelDepth++;
    try {
      const out = forward(inputs, attributes);
      const outputs = Array.isArray(out) ? out : [out];
      if (isRecorded) {
        const read = [
          ...savedInputs.map((input) => inputs[input]!),
          ...outputs.filter((_, index) => savedOutputs[index]),
        ];
        const saved = read.map((tensor) => runtime.keep(share(tensor)));
        state.activeTape.push({
          id: state.nextTapeNodeId++,
          kernelName: name,
          inputs,
          outputs,
          saved,
          gradient: (dys) =>
            backward(
              dys.map((dy, index) => dy ?? zeros(outputs[index]!.shape)),
              saved,
              attributes,
            ),
        });
      }
      return outputs;
    } finally {
      state.kernelDepth--;
    }
  };
}
