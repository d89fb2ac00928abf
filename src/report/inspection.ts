/** What `inspect` shows of a model. */
import type { GraphSummary } from "../ir/summary.ts";
import { printable } from "../printable.ts";
import { formatBytes, formatCount, formatTable } from "./format.ts";

/** Characters of a name in a line of totals. */
const MAX_NAME = 200;

/**
 * Tables of layers and blocks, and totals. Bits stand where the summary has them.
 *
 * @param source Where calibration images will come from, where that is not the published method.
 */
export function formatInspection(summary: GraphSummary, source?: string): string {
  const shape = (dimensions: readonly number[]) =>
    `[${dimensions.map((dimension) => (dimension === -1 ? "N" : dimension)).join(", ")}]`;
  const values = (list: GraphSummary["inputs"]) =>
    list.map((value) => `${printable(value.name, MAX_NAME)} ${shape(value.shape)}`).join(", ");
  const nodes = formatTable(
    ["node", "op", "output", "parameters", "multiply-adds", "weight bits", "input bits"],
    summary.nodes.map((node) => [
      node.name,
      node.op,
      shape(node.outputShape),
      node.parameters ? formatCount(node.parameters) : "",
      node.multiplyAdds ? formatCount(node.multiplyAdds) : "",
      node.weightBits ? String(node.weightBits) : "",
      node.weightBits ? (node.inputBits ? String(node.inputBits) : "float") : "",
    ]),
  );
  const blocks = formatTable(
    ["block", "layers", "names"],
    summary.blocks.map(({ name, layers }) => [name, String(layers.length), layers.join(", ")]),
  );
  const totals = [
    `input          ${values(summary.inputs)}`,
    `output         ${values(summary.outputs)}`,
    `layers         ${summary.layers}, in ${summary.blocks.length} reconstruction blocks`,
    `BatchNorms     ${summary.batchNorms}, with ${formatCount(summary.statistics)} channels of statistics`,
    `parameters     ${formatCount(summary.parameters)}, ${formatBytes(summary.floatBytes)} in float32`,
    `multiply-adds  ${formatCount(summary.multiplyAdds)} an image`,
  ];
  if (summary.quantizedBytes !== undefined) {
    totals.push(`quantized      ${formatBytes(summary.quantizedBytes)}`);
  }
  if (summary.tail) {
    const { layers, reasons } = summary.tail;
    totals.push(
      `stays float    ${layers.length} layers, behind what is not understood: ${reasons.join("; ")}`,
    );
  }
  if (source) totals.push("", source);
  return [nodes, blocks, totals.join("\n")].join("\n\n");
}
