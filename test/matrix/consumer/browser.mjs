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
    report = await runJob(genie, job, read);
  } catch (error) {
    report = { error: error.stack?.includes(error.message) ? error.stack : `${error}\n${error.stack}` };
  }
  await fetch("/outcome", { method: "POST", body: JSON.stringify(report) });
}
