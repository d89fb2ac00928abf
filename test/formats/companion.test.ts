/** Files beside a model: those in its folder, whatever a hostile model calls others. */
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readModel } from "../../src/cli/input.ts";
import { GenieError } from "../../src/errors.ts";
import { Budget } from "../../src/formats/budget.ts";
import { companionPath, companions, companionUrl } from "../../src/formats/companion.ts";
import { loadModel } from "../../src/session/load.ts";

/** A dense layer whose one weight lies in `path`. */
function modelJson(...paths: string[]): string {
  const layers = [
    {
      class_name: "Dense",
      config: { name: "d", units: 1, use_bias: false, activation: "linear", batch_input_shape: [null, 1] },
    },
  ];
  return JSON.stringify({
    modelTopology: { model_config: { class_name: "Sequential", config: { name: "m", layers } } },
    weightsManifest: [{ paths, weights: [{ name: "d/kernel", shape: [1, 1], dtype: "float32" }] }],
  });
}

const WEIGHT = new Uint8Array(Float32Array.of(0.5).buffer);

const OUTSIDE = [
  " http://127.0.0.1:1/x",
  "http://127.0.0.1:1/x",
  " //127.0.0.1:1/x",
  "//127.0.0.1:1/x",
  "\\\\127.0.0.1\\x",
  " file:///etc/hostname",
  "\tfile:///etc/hostname",
  "fi\nle:///etc/hostname",
  "/etc/hostname",
  "../secret.bin",
  "%2e%2e/secret.bin",
  ".%2E/secret.bin",
  "..%2fsecret.bin",
  "a/..%5c..%5csecret.bin",
  "..\\secret.bin",
  "a/../../secret.bin",
  "",
  ".",
  "a\0b",
];

describe("companions", () => {
  it.each(OUTSIDE)("refuse the path %j before anybody reads it", async (path) => {
    const asked: string[] = [];
    const reader = async (each: string) => {
      asked.push(each);
      return WEIGHT;
    };
    const model = new TextEncoder().encode(modelJson(path));
    await expect(loadModel(model, { readShard: reader })).rejects.toMatchObject({ code: "malformed-file" });
    expect(asked).toEqual([]);
  });

  it("take every other path, below the folder of the model, or refuse it with a typed error", () => {
    const model = new URL("https://example.org/models/small/model.json?v=1");
    const piece = fc.constantFrom(
      "..",
      ".",
      "/",
      "\\",
      "%2e",
      "%2F",
      ":",
      "http",
      "//",
      "a",
      "b.bin",
      " ",
      "?",
      "#",
      "@",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.array(piece).map((all) => all.join("")),
          fc.string(),
        ),
        (path) => {
          try {
            companionPath(path);
            const url = companionUrl(path, model);
            expect(url.origin).toBe(model.origin);
            expect(url.pathname).toMatch(/^\/models\/small\/./);
          } catch (error) {
            expect(error).toBeInstanceOf(GenieError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    "weights.bin",
    "a/b.bin",
    "a b.bin",
    "group1-shard1of1.bin?alt=media",
    "w#1.bin",
    "50%.bin",
    "größe.bin",
  ])("take %j", (path) => {
    expect(companionUrl(path, new URL("https://example.org/m/model.json")).pathname).toMatch(/^\/m\/./);
    expect(companionPath(path)).not.toBe("");
  });

  it("read a file once under two spellings, and refuse a manifest that names it so", async () => {
    let reads = 0;
    const read = companions(async () => {
      reads++;
      return WEIGHT;
    }, new Budget());
    await Promise.all([read("a.bin"), read("./a.bin"), read("inner/.//../a.bin").catch(() => WEIGHT)]);
    expect(reads).toBe(1);
    const model = new TextEncoder().encode(modelJson("a.bin", "./a.bin"));
    await expect(loadModel(model, { readShard: read })).rejects.toThrow(/twice/);
  });

  it("stop at the files and the bytes that the budget has", async () => {
    const read = companions(async () => WEIGHT, new Budget({ files: 2, bytes: 10 }));
    await read("a");
    await read("b");
    await expect(read("c")).rejects.toMatchObject({
      code: "limit-exceeded",
      message: /2 files beside/ as never,
    });
  });

  it("stop reading shards where the weights end, however many there are", async () => {
    let reads = 0;
    const paths = Array.from({ length: 100_000 }, (_, i) => `${i}.bin`);
    const read = async () => {
      reads++;
      return WEIGHT;
    };
    const model = new TextEncoder().encode(modelJson(...paths));
    await expect(loadModel(model, { readShard: read })).rejects.toThrow(/belongs to another model/);
    expect(reads).toBe(2);
    const empty = loadModel(model, { readShard: async () => new Uint8Array(0) });
    await expect(empty).rejects.toMatchObject({ code: "limit-exceeded" });
  });
});

describe("a folder of files", () => {
  let root: string;
  const file = (...names: string[]) => join(root, ...names);
  const write = async (path: string): Promise<string> => {
    await writeFile(file("model", "model.json"), modelJson(path));
    return file("model", "model.json");
  };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "companion-"));
    await mkdir(file("model", "inner"), { recursive: true });
    await writeFile(file("secret.bin"), WEIGHT);
    await writeFile(file("model", "inner", "w.bin"), WEIGHT);
    await symlink(file("secret.bin"), file("model", "link.bin"));
    await symlink(root, file("model", "up"));
    await symlink("inner/w.bin", file("model", "own.bin"));
    execFileSync("mkfifo", [file("model", "pipe.bin")]);
    await symlink("/dev/zero", file("model", "zero.bin"));
  });
  afterAll(() => rm(root, { recursive: true }));

  const readers: [string, (path: string) => Promise<unknown>][] = [
    ["loadModel", (path) => loadModel(pathToFileURL(path))],
    ["the command line", (path) => readModel(path)],
  ];

  describe.each(readers)("read by %s", (_name, read) => {
    it.each(["inner/w.bin", "own.bin"])("gives %s", async (path) => {
      await expect(read(await write(path))).resolves.toBeDefined();
    });

    it.each([...OUTSIDE, "link.bin", "up/secret.bin", "zero.bin", "pipe.bin", "inner", "missing.bin"])(
      "does not give %j",
      async (path) => {
        await expect(read(await write(path))).rejects.toMatchObject({
          name: "GenieError",
          code: "malformed-file",
        });
      },
    );

    it.each(["/dev/zero", "pipe.bin"])("takes no model from %s, which has no end", async (path) => {
      const place = path.startsWith("/") ? path : file("model", path);
      await expect(read(place)).rejects.toThrow(/no regular file/);
    });
  });

  it("is refused beyond the limit before it is read, and taken where the caller raises it", async () => {
    const url = pathToFileURL(await write("own.bin"));
    await expect(loadModel(url, { limits: { bytes: 100 } })).rejects.toMatchObject({
      code: "limit-exceeded",
    });
    await expect(loadModel(url, { limits: { bytes: 10_000 } })).resolves.toBeDefined();
  });
});

describe("a server", () => {
  let server: Server;
  let other: Server;
  let base: string;
  let asked: string[] = [];

  beforeAll(async () => {
    other = createServer((request, response) => {
      asked.push(`other${request.url}`);
      response.end(WEIGHT);
    });
    server = createServer((request, response) => {
      const url = request.url!;
      asked.push(url);
      if (url.startsWith("/m/redirect")) {
        response.writeHead(302, { location: `http://127.0.0.1:${portOf(other)}/stolen` }).end();
      } else if (url.startsWith("/m/large")) {
        response.writeHead(200, { "content-length": String(2 ** 40) });
        response.write("x");
      } else if (url.startsWith("/m/endless")) {
        const piece = Buffer.alloc(1 << 16);
        const more = (): void => {
          while (!response.destroyed && response.write(piece));
        };
        response.on("drain", more);
        more();
      } else if (url.endsWith("model.json")) {
        response.end(modelJson(decodeURIComponent(url.split("/")[2]!)));
      } else response.end(WEIGHT);
    });
    for (const each of [server, other]) await new Promise<void>((done) => each.listen(0, "127.0.0.1", done));
    base = `http://127.0.0.1:${portOf(server)}`;
  });
  afterAll(() => {
    for (const each of [server, other]) {
      each.closeAllConnections();
      each.close();
    }
  });

  const portOf = (each: Server) => (each.address() as AddressInfo).port;
  const load = (path: string, limits = {}) => {
    asked = [];
    return loadModel(new URL(`${base}/m/${encodeURIComponent(path)}model.json`), { limits });
  };

  it("gives the shard beside the model", async () => {
    await expect(
      loadModel(new URL(`${base}/m/w.bin/model.json`)).then(({ nodes }) => nodes.length),
    ).resolves.toBe(1);
  });

  it("is not followed where it redirects to another", async () => {
    asked = [];
    const redirect = loadModel(new TextEncoder().encode(modelJson("redirect")), {
      readShard: (path) => loadShard(path),
    });
    await expect(redirect).rejects.toThrow(/redirects/);
    expect(asked).toEqual(["/m/redirect"]);
  });

  it.each(["large", "endless"])("is not read to the end of what is %s", async (path) => {
    await expect(load(path, { bytes: 1e6 })).rejects.toMatchObject({ code: "limit-exceeded" });
  });

  async function loadShard(path: string): Promise<Uint8Array> {
    const { readUrlBeside } = await import("../../src/formats/readUrl.ts");
    return readUrlBeside(new URL(`${base}/m/model.json`), path, 1e6, new Budget());
  }
});
