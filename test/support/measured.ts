/** What work costs in memory: the most that the process grew by, looked at while its timers run and at the end. */
export async function measured<Result>(
  work: () => Promise<Result>,
): Promise<{ result: Result; peak: number; seconds: number }> {
  const before = process.resourceUsage().maxRSS * 1024;
  const now = process.memoryUsage.rss();
  const cpu = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(cpu);
  const after = process.resourceUsage().maxRSS * 1024;
  // The process's highest mark moves only where it grew beyond what it had reached before.
  const peak = after > before ? after - now : Math.max(process.memoryUsage.rss() - now, 0);
  return { result, peak, seconds: (user + system) / 1e6 };
}
