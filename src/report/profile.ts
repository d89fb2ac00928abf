/** A run's profile as tables people read. */
import type { OpTime, ProfileListener, StageProfile } from "../profile.ts";
import { formatSeconds, formatShare, formatTable } from "./format.ts";

/** What takes less of a stage goes into one row. */
const LEAST_SHARE = 0.005;

export interface ProfileReport {
  add: ProfileListener;
  /** A table for each stage, its rows adding up to the last one; empty if nothing was added. */
  text(): string;
}

export function createProfileReport(): ProfileReport {
  const stages = new Map<StageProfile["stage"], { seconds: number; ops: Map<string, OpTime> }>();
  return {
    add({ stage, seconds, ops }) {
      const sum = stages.get(stage) ?? { seconds: 0, ops: new Map<string, OpTime>() };
      stages.set(stage, sum);
      sum.seconds += seconds;
      for (const { name, calls, seconds } of ops) {
        const before = sum.ops.get(name) ?? { name, calls: 0, seconds: 0 };
        sum.ops.set(name, { name, calls: before.calls + calls, seconds: before.seconds + seconds });
      }
    },
    text: () =>
      [...stages]
        .map(
          ([stage, { seconds, ops }]) =>
            `${stage}, all threads together\n${tableOf(seconds, [...ops.values()])}\n`,
        )
        .join("\n"),
  };
}

function tableOf(total: number, ops: OpTime[]): string {
  const sorted = ops.toSorted((a, b) => b.seconds - a.seconds);
  const shown = sorted.filter(({ seconds }) => seconds >= LEAST_SHARE * total);
  const others = sorted.slice(shown.length);
  const sum = (times: OpTime[]): number => times.reduce((seconds, op) => seconds + op.seconds, 0);
  const row = (name: string, calls: string, seconds: number): string[] => [
    name,
    calls,
    seconds.toFixed(2),
    formatShare(seconds / total),
  ];
  const calls = others.reduce((count, op) => count + op.calls, 0);
  return formatTable(
    ["op", "calls", "seconds", "share"],
    [
      ...shown.map((op) => row(op.name, String(op.calls), op.seconds)),
      ...(others.length > 0 ? [row(`${others.length} others`, String(calls), sum(others))] : []),
      row("JavaScript, waiting", "", total - sum(ops)),
      row(`all, ${formatSeconds(total)}`, "", total),
    ],
  );
}
