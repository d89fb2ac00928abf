import { expect, it } from "vitest";
import { explainFailure } from "../../src/cli/exit.ts";
import { Interruption } from "../../src/cli/interrupt.ts";
import { GenieError } from "../../src/errors.ts";

it.each([
  [new GenieError("malformed-file", "not ONNX"), 2, "not ONNX"],
  [new Interruption("SIGINT", undefined), 130, "interrupted"],
  [new Interruption("SIGTERM", undefined), 143, "stopped by SIGTERM"],
  [new GenieError("aborted", "and kept", { cause: new Interruption("SIGHUP", undefined) }), 129, "and kept"],
  [new GenieError("invalid-model", 'node "a\nb\u001b[31m" is odd'), 2, 'node "a b�[31m" is odd'],
])("explains %s", (error, code, message) => {
  expect(explainFailure(error)).toEqual({ code, message });
});

it.each([new TypeError("x is undefined"), "a string"])("calls %s a bug", (error) => {
  const { code, message } = explainFailure(error);
  expect(code).toBe(1);
  expect(message).toMatch(/this is a bug/);
});
