/** What every name of an ONNX graph stands for so far. */
import { GenieError } from "../../../errors.ts";
import type { GraphProto, TensorProto } from "../onnx_pb.ts";
import { decodeTensor } from "./tensors.ts";
import type { Value } from "./values.ts";

export class Scope {
  readonly #values = new Map<string, Value>();
  /** Read when first asked for: a file may carry weights that nothing uses. */
  readonly #initializers = new Map<string, TensorProto>();

  constructor(graph: GraphProto) {
    for (const tensor of graph.initializer) {
      if (this.#initializers.has(tensor.name)) {
        throw new GenieError("invalid-model", `two initializers are called "${tensor.name}"`);
      }
      this.#initializers.set(tensor.name, tensor);
    }
    const [sparse] = graph.sparseInitializer;
    if (sparse) {
      throw new GenieError(
        "unsupported-operator",
        `initializer "${sparse.values?.name ?? ""}" is sparse; only dense ones are supported`,
      );
    }
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value);
  }

  /** What a name stands for, if that is known yet. */
  find(name: string): Value | undefined {
    return this.#values.get(name);
  }

  /** @param reader Says in errors who asks. */
  get(name: string, reader: string): Value {
    const known = this.#values.get(name);
    if (known) return known;
    const initializer = this.#initializers.get(name);
    if (!initializer) {
      throw new GenieError("invalid-model", `${reader} reads "${name}", which nothing in the model writes`);
    }
    const tensor = decodeTensor(initializer, `initializer "${name}"`);
    const value: Value = { kind: "constant", name, tensor };
    this.#values.set(name, value);
    return value;
  }
}
