/** Runs that go on where they were stopped: a folder beside the output keeps what is finished. */
import type { Command } from "commander";
import { fileCheckpoint } from "../checkpoint/fileStore.ts";
import type { CheckpointStore } from "../checkpoint/store.ts";
import { GenieError } from "../errors.ts";

export interface ResumeFlags {
  restart?: boolean;
}

export function addResumeFlags(command: Command): Command {
  return command.option("--restart", "begin anew: drop what a stopped run has kept in <output>.checkpoint");
}

/** The folder that keeps what a run to `output` has finished. */
export async function openRunFolder(output: string, { restart }: ResumeFlags): Promise<CheckpointStore> {
  const store = fileCheckpoint(`${output}.checkpoint`);
  if (restart) await store.clear();
  return store;
}

/** What a person can do about a run that stopped, or one that finds another's folder. */
export function explainResume(error: unknown, { place }: CheckpointStore): unknown {
  if (!(error instanceof GenieError)) return error;
  if (error.code === "aborted") {
    return new GenieError(
      "aborted",
      `interrupted; what is finished is kept in ${place}: the same command goes on from there`,
      { cause: error },
    );
  }
  if (error.code === "foreign-checkpoint") {
    return new GenieError(error.code, `${error.message}; or give --restart to drop it`, { cause: error });
  }
  return error;
}
