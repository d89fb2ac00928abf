/** Dropout, which is nothing at inference. */
import type { Operation } from "./operation.ts";

/** @throws GenieError `invalid-model` for a Dropout that drops something. */
export function checkInference(dropout: Operation): void {
  // Said by an attribute before operator set 7, and by an input since 12.
  const isTrainedByAttribute = dropout.opset < 7 && dropout.int("is_test", 0) === 0;
  const isTraining = (dropout.optionalScalar(2) ?? 0) !== 0;
  if (isTrainedByAttribute || (isTraining && dropout.optionalScalar(1) !== 0)) {
    throw dropout.invalid("it is in training mode; export the model in evaluation mode");
  }
}
