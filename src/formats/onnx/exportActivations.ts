/** What activations are in ONNX, opset 21. */
import type { Activation } from "../../ir/graph.ts";
import type { Attribute, FileBuilder } from "./fileBuilder.ts";

/** Those that are an operator without attributes. */
const PLAIN = {
  relu: "Relu",
  sigmoid: "Sigmoid",
  tanh: "Tanh",
  hardSwish: "HardSwish",
  exp: "Exp",
  log: "Log",
  sqrt: "Sqrt",
  abs: "Abs",
  reciprocal: "Reciprocal",
  erf: "Erf",
  mish: "Mish",
  softplus: "Softplus",
  softsign: "Softsign",
} as const;

type Operator = [opType: string, operands?: string[], attributes?: Record<string, Attribute>];

/** Adds the node that computes `output` from `input`; SiLU, which operator set 24 brings, is two. */
export function addActivation(
  file: FileBuilder,
  activation: Activation,
  name: string,
  input: string,
  output: string,
): void {
  const [opType, operands = [], attributes = {}] = operatorOf(file, activation, input, output);
  file.addNode(opType, name, [input, ...operands], output, attributes);
}

function operatorOf(file: FileBuilder, activation: Activation, input: string, output: string): Operator {
  switch (activation.kind) {
    case "clip": {
      const { min, max } = activation;
      return ["Clip", [bound(file, `${output}_min`, min), bound(file, `${output}_max`, max)]];
    }
    case "leakyRelu":
    case "thresholdedRelu":
      return [
        activation.kind === "leakyRelu" ? "LeakyRelu" : "ThresholdedRelu",
        [],
        { alpha: { float: activation.alpha } },
      ];
    case "hardSigmoid": {
      const { alpha, beta } = activation;
      return ["HardSigmoid", [], { alpha: { float: alpha }, beta: { float: beta } }];
    }
    case "elu":
      return ["Elu", [], { alpha: { float: activation.alpha } }];
    case "selu":
      return ["Selu", [], { alpha: { float: activation.alpha }, gamma: { float: activation.gamma } }];
    case "gelu":
      return ["Gelu", [], { approximate: { string: activation.approximate } }];
    case "silu": {
      const sigmoid = file.freshValue(`${output}_sigmoid`);
      file.addNode("Sigmoid", `${sigmoid}/Sigmoid`, [input], sigmoid);
      return ["Mul", [sigmoid]];
    }
    default:
      return [PLAIN[activation.kind]];
  }
}

/** An operand of Clip; none (an empty name) for an infinite bound. */
function bound(file: FileBuilder, wanted: string, value: number): string {
  if (!Number.isFinite(value)) return "";
  const name = file.freshValue(wanted);
  file.addFloats(name, [], Float32Array.of(value));
  return name;
}
