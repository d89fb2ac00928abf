/** The app of consumer/app/ with Vite, as its users have it: without any configuration but what is named here. */
import { join } from "node:path";
import { build, createServer } from "vite";
import type { Consumer } from "./consumer.ts";
import type { Page } from "./server.ts";

/** `vite build`: a page of static files. */
export async function buildApp({ folder }: Consumer): Promise<Page> {
  const root = join(folder, "app");
  await build({ root, configFile: false, logLevel: "warn" });
  return { roots: [join(root, "dist"), folder], path: "index.html" };
}

/** `vite dev`: a page whose modules are served one by one. */
export function developApp({ folder }: Consumer): Page {
  return {
    roots: [folder],
    path: "index.html",
    async behind(server) {
      const { middlewares, close } = await createServer({
        root: join(folder, "app"),
        configFile: false,
        logLevel: "warn",
        server: { middlewareMode: true, hmr: { server } },
        // Bundled ahead, the package would no longer find its files.
        optimizeDeps: { exclude: ["genie-wasm"] },
      });
      server.on("close", close);
      return middlewares;
    },
  };
}
