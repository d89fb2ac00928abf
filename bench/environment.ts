/** What the benchmark asks of the runtime that it is in; `environments/` has one of these for each. */
import type { CaseData, CaseResult } from "./iterationResult.ts";

export interface Environment {
  /** "Node 20.20.2" */
  name: string;
  /**
   * Milliseconds that this process has spent on a core, where the runtime tells: on a machine that others use too,
   * a wall clock measures them. Everything here runs on one thread, so that on an idle machine the two agree.
   */
  clock(): number;
  /** @throws Error if there is nothing at `url`. */
  read(url: URL): Promise<Uint8Array<ArrayBuffer>>;
  exists(url: URL): Promise<boolean>;
  /** Starts the program once more, in a worker, for this case. */
  runCase(data: CaseData): Promise<CaseResult>;
  /** What a Python script prints. @throws Error where there is no such Python, or no processes at all. */
  runPython(python: string, script: URL): Promise<string>;
}
