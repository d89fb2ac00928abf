/** One quantization job, the same in every runtime. `read` gives a file's bytes; `more` are options of `quantize`. */
export async function runJob(genie, job, read, more = {}) {
  const graph = await genie.loadModel(await read(job.model));
  const session = await genie.openSession({ workers: job.workers, binary: job.binary });
  try {
    const pause = watchPauses();
    const started = performance.now();
    const { model } = await session.quantize(graph, { ...job.quantize, ...more });
    const seconds = (performance.now() - started) / 1000;
    const longestPause = pause();
    const pixels = { shape: job.images.shape, data: await read(job.images.file) };
    const { top1, count } = await session.evaluate(
      model,
      genie.normalizeImages(pixels, job.pixels),
      job.labels,
    );
    return {
      seconds,
      top1,
      count,
      longestPause,
      weights: await sha256(weightBytes(model)),
      file: await sha256([genie.exportOnnx(model)]),
      isIsolated: globalThis.crossOriginIsolated === true,
      sharesMemory: typeof SharedArrayBuffer === "function",
    };
  } finally {
    session.close();
  }
}

/** Milliseconds that the calling thread was kept from its other work, at the longest. */
function watchPauses() {
  const interval = 5;
  let longest = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last - interval);
    last = now;
  }, interval);
  return () => {
    clearInterval(timer);
    return longest;
  };
}

/** Integer weights with their scales and zero points, in the order of their names. */
function weightBytes({ weights }) {
  const bytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return [...weights]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, { data, params }]) => [
      new TextEncoder().encode(name),
      bytes(data),
      bytes(params.scale),
      bytes(params.zeroPoint),
    ]);
}

async function sha256(parts) {
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
