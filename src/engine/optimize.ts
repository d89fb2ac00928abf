/** Minimizing a loss over tensors: gradients from tfjs's tape, updates by our Adam kernel, in place. */
import { keep, type Tensor } from "@tensorflow/tfjs-core";
import { adamState, adamUpdate } from "../kernels/adam.ts";
import { view } from "../kernels/heap.ts";
import { alone, type Collective } from "./collective.ts";
import { disposeAll } from "./feeds.ts";
import { gradients } from "./gradients.ts";
import type { Schedule } from "./schedules.ts";

/** Parameters that share a learning-rate schedule. */
export interface ParameterGroup {
  parameters: Tensor[];
  schedule: Schedule;
  /** Factors of the learning rate, element by element, of the parameters that have them. */
  factors?: ReadonlyMap<Tensor, Tensor> | undefined;
}

export interface Minimizer {
  /**
   * One iteration: evaluates `loss` (a scalar), updates every parameter, returns the loss before the update. Among
   * several members the loss is the sum of theirs.
   */
  step(loss: () => Tensor): Promise<number>;
  /** Releases the moments, not the parameters. */
  dispose(): void;
}

/**
 * Adam (Kingma & Ba 2015, PyTorch's defaults) over groups of parameters, which are updated in their own memory.
 *
 * @param collective Members whose gradients are added up: each has equal parameters, and keeps them equal.
 */
export function adam(groups: ParameterGroup[], collective: Collective = alone): Minimizer {
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
  const update = (gradients: ReadonlyMap<Tensor, Tensor>): void => {
    for (const { parameters: members, schedule, factors } of groups) {
      const learningRate = schedule(iteration, previousLoss);
      for (const parameter of members) {
        adamUpdate(parameter, states.get(parameter)!, gradients.get(parameter)!, {
          step: iteration + 1,
          learningRate,
          factors: factors?.get(parameter),
        });
      }
    }
  };
  return {
    async step(loss) {
      const { value, gradients: grads } = gradients(loss, parameters);
      const total = view(value).slice();
      try {
        if (collective.size > 1) await collective.sum([total, ...grads.map(view)]);
        update(new Map(parameters.map((parameter, index) => [parameter, grads[index]!])));
      } finally {
        disposeAll([value, ...grads]);
      }
      iteration++;
      previousLoss = total[0]!;
      return previousLoss;
    },
    dispose() {
      for (const { m, v } of states.values()) {
        m.dispose();
        v.dispose();
      }
    },
  };
}
