/** Progress on stderr: live lines on a terminal, plain lines elsewhere, nothing with --quiet. */
import { createLogUpdate } from "log-update";
import { printable } from "../printable.ts";
import type { Progress } from "../progress.ts";
import { createEta, isUnitFinished, liveLines, plainLine, unitOf } from "./progress.ts";

/** A terminal redrawn more often flickers and costs time. */
const LIVE_INTERVAL_SECONDS = 0.1;
/** A log gets a line this often even if no batch or block is finished. */
const PLAIN_INTERVAL_SECONDS = 10;
/** Characters of a remark, which may quote names of files. */
const MAX_NOTE = 1000;

export interface Reporter {
  onProgress(progress: Progress): void;
  /** A remark among the progress. */
  note(text: string): void;
  /** Leaves the terminal as it was, without live lines. */
  close(): void;
}

export interface ReporterOptions {
  quiet?: boolean | undefined;
  stream?: NodeJS.WriteStream | undefined;
  /** Clock in seconds. */
  now?: (() => number) | undefined;
}

export function createReporter({
  quiet = false,
  stream = process.stderr,
  now = () => performance.now() / 1000,
}: ReporterOptions = {}): Reporter {
  if (quiet) return { onProgress() {}, note() {}, close() {} };
  // A terminal of unknown size (some containers) cannot be redrawn.
  const isLive = stream.isTTY && stream.columns > 0 && stream.rows > 0;
  return isLive ? liveReporter(stream, now) : plainReporter(stream, now);
}

function liveReporter(stream: NodeJS.WriteStream, now: () => number): Reporter {
  const log = createLogUpdate(stream);
  const estimate = createStageEta(now);
  let drawn = Number.NEGATIVE_INFINITY;
  return {
    onProgress(progress) {
      const secondsLeft = estimate(progress);
      if (now() - drawn < LIVE_INTERVAL_SECONDS && progress.fraction < 1) return;
      drawn = now();
      log(liveLines(progress, secondsLeft, stream.columns - 1));
    },
    note(text) {
      log.clear();
      stream.write(`${printable(text, MAX_NOTE)}\n`);
    },
    close() {
      log.clear();
      log.done();
    },
  };
}

function plainReporter(stream: NodeJS.WriteStream, now: () => number): Reporter {
  const estimate = createStageEta(now);
  let written = now();
  let finished = "";
  return {
    onProgress(progress) {
      const secondsLeft = estimate(progress);
      const unit = `${progress.stage} ${unitOf(progress)}`;
      const isNews = isUnitFinished(progress) && finished !== unit;
      if (!isNews && now() - written < PLAIN_INTERVAL_SECONDS) return;
      if (isNews) finished = unit;
      written = now();
      stream.write(`${plainLine(progress, secondsLeft)}\n`);
    },
    note(text) {
      stream.write(`${printable(text, MAX_NOTE)}\n`);
    },
    close() {},
  };
}

/** Each stage has a rate of its own. */
function createStageEta(now: () => number): (progress: Progress) => number | undefined {
  let stage: Progress["stage"] | undefined;
  let eta = createEta();
  return (progress) => {
    if (progress.stage !== stage) eta = createEta();
    stage = progress.stage;
    return eta(progress.fraction, now());
  };
}
