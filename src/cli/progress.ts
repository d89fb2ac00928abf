/** How progress reads: time left from a smoothed rate, and one line for each stage. No terminal in here. */
import { printable } from "../printable.ts";
import type { Progress } from "../progress.ts";
import { formatLoss, formatSeconds } from "../report/format.ts";

/** How long a rate is remembered: blocks differ in cost, so the past must fade; single iterations must not show. */
const MEMORY_SECONDS = 20;
const BAR_WIDTH = 20;
/** Characters of a block's name, which comes from the file. */
const MAX_NAME = 100;

/** Estimates a stage's remaining time from the shares of it that are done. */
export function createEta(): (fraction: number, seconds: number) => number | undefined {
  let last: { fraction: number; seconds: number } | undefined;
  let work = 0;
  let time = 0;
  return (fraction, seconds) => {
    if (last && seconds > last.seconds) {
      const elapsed = seconds - last.seconds;
      const fade = Math.exp(-elapsed / MEMORY_SECONDS);
      work = work * fade + Math.max(fraction - last.fraction, 0);
      time = time * fade + elapsed;
    }
    if (!last || seconds > last.seconds) last = { fraction, seconds };
    return work > 0 ? ((1 - fraction) * time) / work : undefined;
  };
}

/** The part of the work that has a plain line of its own: "batch 1/2", "block 3/12 layer1.0". */
export function unitOf(progress: Progress): string {
  switch (progress.stage) {
    case "synthesis":
      return `batch ${progress.batch + 1}/${progress.batches}`;
    case "reconstruction":
      return `block ${progress.index + 1}/${progress.blocks} ${printable(progress.block, MAX_NAME)}`;
    case "evaluation":
      return "images";
  }
}

export function isUnitFinished(progress: Progress): boolean {
  return progress.stage === "evaluation"
    ? progress.done === progress.total
    : progress.iteration >= progress.iterations;
}

/** "synthesis  batch 1/2  iteration 120/300  loss 12.34", without what is known of the time. */
export function describe(progress: Progress): string {
  const fields = [progress.stage, unitOf(progress)];
  if (progress.stage === "evaluation") {
    fields.push(`${progress.done}/${progress.total}`);
  } else {
    fields.push(
      `iteration ${progress.iteration}/${progress.iterations}`,
      `loss ${formatLoss(progress.loss)}`,
    );
  }
  return fields.join("  ");
}

/** "42 %  1:23 left" */
export function describeTime(progress: Progress, secondsLeft: number | undefined): string {
  const share = `${Math.floor(100 * progress.fraction)} %`;
  if (secondsLeft === undefined) return share;
  const whole = Math.ceil(secondsLeft);
  // An estimate has no tenths of a second.
  return `${share}  ${whole < 10 ? `${whole} s` : formatSeconds(whole)} left`;
}

/** "██████░░░░" */
export function bar(fraction: number, width = BAR_WIDTH): string {
  const full = Math.min(Math.max(Math.round(fraction * width), 0), width);
  return "█".repeat(full) + "░".repeat(width - full);
}

/** The live lines on a terminal of so many columns: what is being done, and how far. */
export function liveLines(progress: Progress, secondsLeft: number | undefined, columns: number): string {
  return [describe(progress), `${bar(progress.fraction)}  ${describeTime(progress, secondsLeft)}`]
    .map((line) => truncate(line, columns))
    .join("\n");
}

/** The plain line in a log. */
export function plainLine(progress: Progress, secondsLeft: number | undefined): string {
  return `${describe(progress)}  ${describeTime(progress, secondsLeft)}`;
}

function truncate(text: string, columns: number): string {
  return text.length > columns ? `${text.slice(0, Math.max(columns - 1, 0))}…` : text;
}
