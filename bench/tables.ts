/** All tables, measured one after the other in whichever runtime this is. */
import { type Binary, initializeKernels } from "../src/kernels/heap.ts";
import { convolutions } from "./convolutions.ts";
import { depthwise } from "./depthwise.ts";
import type { Environment } from "./environment.ts";
import { fused } from "./fused.ts";
import { gemm } from "./gemm.ts";
import type { Row, Table } from "./harness.ts";
import { iterations } from "./iterations.ts";
import { peak } from "./peak.ts";

const TABLES: readonly Table[] = [peak, gemm, convolutions, depthwise, fused, iterations];
export const TABLE_NAMES: readonly string[] = TABLES.map(({ name }) => name);

/** What is to be measured; plain data. Absent: all tables, all rows, relaxed SIMD where the engine has it. */
export interface Request {
  tables?: string[] | undefined;
  /** Texts of which a row's name must contain one, in any case. */
  rows?: string[] | undefined;
  binary?: Binary | undefined;
  /** The Python that has torch, for the peer of whole iterations. */
  python: string;
}

/** What one hears while it is measured; plain data. */
export type Heard =
  | { kind: "start"; runtime: string; binary: Binary }
  /** A row is done: they take seconds each. */
  | { kind: "row"; row: Row }
  | { kind: "note"; text: string }
  | { kind: "table"; name: string; rows: Row[] };

export async function measureTables(
  { tables, rows: texts, binary: wanted, python }: Request,
  environment: Environment,
  tell: (heard: Heard) => void | Promise<void>,
): Promise<void> {
  const binary = await initializeKernels(wanted ? { binary: wanted } : {});
  await tell({ kind: "start", runtime: environment.name, binary });
  const said = new Set<string>();
  const settings = {
    binary,
    python,
    environment,
    wants: (row: string) => isWanted(row, texts),
    note: (text: string) => {
      if (!said.has(text)) tell({ kind: "note", text });
      said.add(text);
    },
  };
  for (const table of TABLES.filter(({ name }) => tables?.includes(name) ?? true)) {
    const rows: Row[] = [];
    for await (const row of table.rows(settings)) {
      rows.push(row);
      await tell({ kind: "row", row });
    }
    if (rows.length > 0) await tell({ kind: "table", name: table.name, rows });
  }
}

/** Whether a row's name contains one of the texts, in any case; without texts every row is wanted. */
export function isWanted(row: string, texts: readonly string[] | undefined): boolean {
  return texts?.some((text) => row.toLowerCase().includes(text.toLowerCase())) ?? true;
}
