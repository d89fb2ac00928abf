/** The options of an operator: a table of its own for every kind of operator, of which only the fields matter here. */
import type { Table } from "./generated/tflite/table.ts";

/** A field's name and type, at its place in the schema; with what it is where the file leaves it out. */
export type Field =
  | readonly [name: string, type: "byte" | "int" | "float", otherwise?: number]
  | readonly [name: string, type: "bool" | "ints"];

export type Options = Readonly<Record<string, number | boolean | number[]>>;

const VTABLE_HEADER = 4;

/** @param fields All fields of the table in the schema's order, up to the last that matters. */
export function readOptions(table: Table | null, fields: readonly Field[]): Options {
  return Object.fromEntries(fields.map((field, id) => [field[0], read(table, id, field)]));
}

function read(table: Table | null, id: number, [, type, otherwise = 0]: Field): Options[string] {
  const { bb, bb_pos: position } = table ?? { bb: null, bb_pos: 0 };
  const offset = bb?.__offset(position, VTABLE_HEADER + 2 * id) ?? 0;
  if (!bb || offset === 0) return type === "ints" ? [] : type === "bool" ? false : otherwise;
  const place = position + offset;
  switch (type) {
    case "byte":
      return bb.readInt8(place);
    case "int":
      return bb.readInt32(place);
    case "float":
      return bb.readFloat32(place);
    case "bool":
      return bb.readInt8(place) !== 0;
    case "ints": {
      const start = bb.__vector(place);
      return Array.from({ length: bb.__vector_len(place) }, (_, i) => bb.readInt32(start + 4 * i));
    }
  }
}
