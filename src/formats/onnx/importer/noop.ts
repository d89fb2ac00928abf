/** Reductions that reduce nothing. */
import type { Operation } from "./operation.ts";

/** Whether a reduction without axes leaves all of them; `keepdims` has nothing to say there. */
export function isNoop(reduction: Operation): boolean {
  const isNothing = reduction.int("noop_with_empty_axes", 0) !== 0;
  if (isNothing) reduction.int("keepdims", 1);
  return isNothing;
}
