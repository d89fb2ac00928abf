/** The operators of a network that matter, in an order in which each stands behind what it reads. */
import { GenieError } from "../../errors.ts";
import type { Network, Operator } from "./network.ts";

/**
 * The operators that an output depends on.
 *
 * @throws GenieError `invalid-model` where two write one value, or one depends on itself.
 */
export function liveOperators({ operators, outputs }: Network): Operator[] {
  const writers = new Map<string, Operator>();
  for (const operator of operators) {
    for (const output of operator.outputs) {
      if (writers.has(output)) {
        throw new GenieError(
          "invalid-model",
          `node "${operator.name}" writes "${output}", a name already taken`,
        );
      }
      writers.set(output, operator);
    }
  }
  const ordered = new Set<Operator>();
  const waiting = new Set<Operator>();
  for (const { value } of outputs) {
    const first = writers.get(value);
    const stack = first && !ordered.has(first) ? [{ operator: first, next: 0 }] : [];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const { operator } = top;
      waiting.add(operator);
      if (top.next === operator.inputs.length) {
        ordered.add(operator);
        stack.pop();
        continue;
      }
      const writer = writers.get(operator.inputs[top.next++] ?? "");
      if (!writer || ordered.has(writer)) continue;
      if (waiting.has(writer)) {
        throw new GenieError("invalid-model", `node "${operator.name}" depends on itself: a cycle`);
      }
      stack.push({ operator: writer, next: 0 });
    }
  }
  return [...ordered];
}
