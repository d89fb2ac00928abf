/** tfjs's own plain JavaScript kernels, as another opinion on ours. */
import "@tensorflow/tfjs-backend-cpu";
import { getBackend, setBackend, type Tensor, tidy } from "@tensorflow/tfjs-core";

/** What `compute` gives on tfjs-backend-cpu. */
export async function onCpu(compute: () => Tensor): Promise<Float32Array> {
  const former = getBackend();
  await setBackend("cpu");
  try {
    return tidy(() => compute().dataSync() as Float32Array).slice();
  } finally {
    await setBackend(former);
  }
}
