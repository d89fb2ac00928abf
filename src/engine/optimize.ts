/** Minimizing a loss over tensors: gradients from tfjs's tape, updates by our Adam kernel, in place. */
import { engine, keep, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { adamState, adamUpdate } from "../kernels/adam.ts";
import { view } from "../kernels/heap.ts";
import type { Schedule } from "./schedules.ts";

/** Parameters that share a learning-rate schedule. */
export interface ParameterGroup {
  parameters: Tensor[];
  schedule: Schedule;
}

export interface Minimizer {
  /** One iteration: evaluates `loss` (a scalar), updates every parameter, returns the loss before the update. */
  step(loss: () => Tensor): number;
  /** Releases the moments, not the parameters. */
  dispose(): void;
}

/** Adam (Kingma & Ba 2015, PyTorch's defaults) over groups of parameters, which are updated in their own memory. */
export function adam(groups: ParameterGroup[]): Minimizer {
  const parameters = groups.flatMap((group) => group.parameters);
  const states = new Map(
    parameters.map((parameter) => {
      const state = adamState(parameter.shape);
      keep(state.m);
      keep(state.v);
      return [parameter, state];
    }),
  );
  let iteration = 0;
  let previousLoss = Number.POSITIVE_INFINITY;
  return {
    step(loss) {
      const value = tidy(() => {
        const { value, grads } = engine().gradients(loss, parameters);
        const gradientOf = new Map(parameters.map((parameter, index) => [parameter, grads[index]!]));
        for (const { parameters: members, schedule } of groups) {
          const learningRate = schedule(iteration, previousLoss);
          for (const parameter of members) {
            adamUpdate(parameter, states.get(parameter)!, gradientOf.get(parameter)!, {
              step: iteration + 1,
              learningRate,
            });
          }
        }
        return view(value)[0]!;
      });
      iteration++;
      previousLoss = value;
      return value;
    },
    dispose() {
      for (const { m, v } of states.values()) {
        m.dispose();
        v.dispose();
      }
    },
  };
}
