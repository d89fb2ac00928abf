/** --profile: where the time went, behind the result. */
import type { ProfileListener } from "../profile.ts";
import { createProfileReport } from "../report/profile.ts";
import type { WorkerFlags } from "./options.ts";

export interface ProfileOutput {
  /** For the session; absent without --profile. */
  onProfile: ProfileListener | undefined;
  /** Writes the tables, to standard error: standard output has the result. */
  print(): void;
}

export function createProfileOutput({ profile }: WorkerFlags): ProfileOutput {
  if (!profile) return { onProfile: undefined, print() {} };
  const report = createProfileReport();
  return { onProfile: report.add, print: () => void process.stderr.write(`\n${report.text()}`) };
}
