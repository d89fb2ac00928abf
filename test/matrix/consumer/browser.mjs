/** Runs the server's job in a page and reports its outcome, or what went wrong, to the server. */
import { runJob } from "./job.mjs";

const read = async (file) => {
  const response = await fetch(`/${file}`);
  if (!response.ok) throw new Error(`${file}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
};

export async function runServersJob(genie) {
  let report;
  try {
    const job = JSON.parse(new TextDecoder().decode(await read("job.json")));
    report = await runJob(genie, job, read, resumable(genie, job));
  } catch (error) {
    report = { error: error.stack?.includes(error.message) ? error.stack : `${error}\n${error.stack}` };
  }
  await send(report);
}

const send = (report) => fetch("/outcome", { method: "POST", body: JSON.stringify(report) });

/** Keeps what is done in IndexedDB; at block `closeAt` tells the server, which closes the page in the middle of it. */
function resumable(genie, { checkpoint, closeAt }) {
  if (!checkpoint) return {};
  return {
    checkpoint: genie.browserCheckpoint(checkpoint),
    onProgress({ stage, index, iteration }) {
      if (stage === "synthesis" && closeAt === undefined) send({ error: "nothing was kept" });
      if (stage === "reconstruction" && index === closeAt && iteration === 2) send({ error: "close me" });
    },
  };
}
