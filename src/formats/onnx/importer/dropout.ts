/** Dropout, which is nothing at inference. */
import type { Operation } from "./operation.ts";

/** @throws GenieError `unsupported-operator` for a Dropout that drops something. */
export function checkInference(dropout: Operation): void {
  const isTraining = (dropout.optionalScalar(2) ?? 0) !== 0;
  if (isTraining && dropout.optionalScalar(1) !== 0) {
    throw dropout.unsupported("it is in training mode; export the model in evaluation mode");
  }
}
