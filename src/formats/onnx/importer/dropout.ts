/** Dropout, which is nothing at inference. */
import type { Operation } from "./operation.ts";

/** @throws GenieError `invalid-model` for a Dropout that drops something. */
export function checkInference(dropout: Operation): void {
  const isTraining = (dropout.optionalScalar(2) ?? 0) !== 0;
  if (isTraining && dropout.optionalScalar(1) !== 0) {
    throw dropout.invalid("it is in training mode; export the model in evaluation mode");
  }
}
