/** How a kernel becomes a differentiable operation on tfjs's tape. */
import {
  engine,
  type KernelConfig,
  type NamedTensorMap,
  registerGradient,
  registerKernel,
  type Tensor,
} from "@tensorflow/tfjs-core";

/** What our kernels' names in tfjs's registry begin with. */
export const KERNEL_PREFIX = "Genie";

/** Gradient by input name. Lazy: tfjs calls only those that some variable needs. */
export type InputGradients = Record<string, () => Tensor>;

export interface OpDefinition<Inputs extends NamedTensorMap, Attributes> {
  /** Unique among all kernels registered for the wasm backend. */
  name: string;
  forward(inputs: Inputs, attributes: Attributes): Tensor | Tensor[];
  gradient?: {
    /** Inputs that `backward` reads; they stay alive until the tape is gone. */
    savedInputs?: (keyof Inputs & string)[];
    /** For each output, whether `backward` reads it. */
    savedOutputs?: boolean[];
    /** `saved` holds the saved inputs in the order named, then the saved outputs. */
    backward(dys: Tensor[], saved: Tensor[], attributes: Attributes): InputGradients;
  };
}

/**
 * Registers `definition` with tfjs's wasm backend and returns the function that runs it: on the tape when a
 * gradient is being recorded, as a plain call otherwise. The result is always an array of the op's outputs.
 */
export function defineOp<Inputs extends NamedTensorMap, Attributes extends object>(
  definition: OpDefinition<Inputs, Attributes>,
): (inputs: Inputs, attributes: Attributes) => Tensor[] {
  const kernelName = `${KERNEL_PREFIX}${definition.name}`;
  registerKernel({
    kernelName,
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => definition.forward(inputs as Inputs, attrs as Attributes),
  } as KernelConfig);
  if (definition.gradient) {
    const { savedInputs = [], savedOutputs = [], backward } = definition.gradient;
    registerGradient({
      kernelName,
      inputsToSave: savedInputs,
      outputsToSave: savedOutputs,
      gradFunc: (dy, saved, attrs) => backward(Array.isArray(dy) ? dy : [dy], saved, attrs as Attributes),
    });
  }
  return (inputs, attributes) => {
    const out = engine().runKernel(kernelName, inputs, attributes as never) as Tensor | Tensor[];
    return Array.isArray(out) ? out : [out];
  };
}
