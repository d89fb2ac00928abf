/** What a protobuf message will make in memory, told from its tags alone: two bytes of a file can be an object. */
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import type { Budget } from "../../budget.ts";

/** Where each operator may take nodes: its outputs are nodes of ours. */
const OUTPUT_FIELD = 2;

/** Subgraphs within subgraphs, and the messages around them. */
const MAX_DEPTH = 100;

/**
 * Takes from the budget what `bytes` of the message type `schema` are made of: nodes by their outputs, and every other
 * field as an entry.
 *
 * @throws GenieError `limit-exceeded`; anything where the bytes are no such message.
 */
export function spendFields(bytes: Uint8Array, schema: DescMessage, budget: Budget): void {
  walk(new BinaryReader(bytes), bytes.length, schema, budget, 0);
}

function walk(reader: BinaryReader, end: number, schema: DescMessage, budget: Budget, depth: number): void {
  if (depth > MAX_DEPTH) throw new RangeError("messages nest too deep");
  const isNode = schema.name === "NodeProto";
  if (isNode) budget.spend("nodes", 1, "the model");
  let outputs = 0;
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    budget.spend("entries", 1, "the model");
    const field = schema.fields.find((each) => each.number === number);
    if (isNode && number === OUTPUT_FIELD && ++outputs > 1) budget.spend("nodes", 1, "the model");
    const message =
      field && (field.fieldKind === "message" || field.fieldKind === "list") ? field.message : undefined;
    if (wireType !== WireType.LengthDelimited || !message) {
      reader.skip(wireType, number);
      continue;
    }
    const length = reader.uint32();
    walk(reader, reader.pos + length, message, budget, depth + 1);
  }
}
