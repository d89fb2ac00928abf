/** Runs that go on where they were stopped: a folder beside the output keeps what is finished. */
import type { Command } from "commander";
import { fileCheckpoint } from "../checkpoint/fileStore.ts";
import { type CheckpointStore, OWNER_KEY } from "../checkpoint/store.ts";
import { GenieError } from "../errors.ts";
import { claimOutput } from "./claim.ts";

export interface ResumeFlags {
  restart?: boolean;
}

export function addResumeFlags(command: Command): Command {
  return command.option("--restart", "begin anew: drop what a stopped run has kept in <output>.checkpoint");
}

/**
 * The folder that keeps what a run to `output` has finished; both are this process's alone from here on.
 *
 * @throws GenieError `in-use` if another process is at work on it.
 */
export async function openRunFolder(
  output: string,
  { restart }: ResumeFlags,
  onNote: (note: string) => void,
): Promise<CheckpointStore> {
  await claimOutput(output, onNote);
  const store = fileCheckpoint(`${output}.checkpoint`);
  if (restart) await store.clear();
  return store;
}

/** What a person can do about a run that stopped, or one that finds another's folder. */
export async function explainResume(error: unknown, store: CheckpointStore): Promise<unknown> {
  if (!(error instanceof GenieError)) return error;
  if (error.code === "aborted") {
    const isKept = await store.get(OWNER_KEY).catch(() => undefined);
    const what = isKept
      ? `what is finished is kept in ${store.place}: the same command goes on from there`
      : "nothing was finished yet that could be kept";
    return new GenieError("aborted", `${error.message}; ${what}`, { cause: error });
  }
  if (error.code === "foreign-checkpoint") {
    return new GenieError(error.code, `${error.message}; or give --restart to drop it`, { cause: error });
  }
  return error;
}
