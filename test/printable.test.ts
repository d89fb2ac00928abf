import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { plainLine } from "../src/cli/progress.ts";
import { GenieError } from "../src/errors.ts";
import { isPrintable, printable, printableJson } from "../src/printable.ts";
import { formatTable } from "../src/report/format.ts";

const HOSTILE = [
  ["an escape sequence", "a\u001b[2Jb"],
  ["C1's CSI", "a\u009b2Jb"],
  ["a line break", "a\nb"],
  ["a Unicode line break", "a\u2028b"],
  ["a right-to-left override", "gpj\u202exnno.a"],
  ["an isolate", "a\u2066b"],
  ["a mark of direction", "a\u200fb"],
  ["a byte order mark", "a\ufeffb"],
  ["half a surrogate pair", "a\ud800b"],
  ["a bell", "a\u0007b"],
] as const;

describe.each(HOSTILE)("%s in text from a file", (_what, name) => {
  it("is no name to be shown, and is taken out of all that shows one", () => {
    expect(isPrintable(name)).toBe(false);
    const shown = [
      printable(name, 100),
      new GenieError("invalid-model", `node "${name}" is odd`).message,
      ...formatTable(["name"], [[name]]).split("\n"),
      plainLine(
        {
          stage: "reconstruction",
          block: name,
          index: 0,
          blocks: 1,
          iteration: 0,
          iterations: 1,
          loss: 0,
          fraction: 0,
        },
        1,
      ),
    ];
    for (const text of shown) expect(isPrintable(text)).toBe(true);
  });

  it("is written to JSON as an escape, and read back as it was", () => {
    const json = printableJson({ [name]: name });
    expect(isPrintable(json)).toBe(true);
    expect(JSON.parse(json)).toEqual({ [name]: name });
  });
});

describe("printable", () => {
  it("leaves names of people's own scripts, and emoji, as they are", () => {
    for (const name of ["conv1/kernel:0", "größe", "畳み込み", "شبكة", "🧞"])
      expect(printable(name, 100)).toBe(name);
  });

  it("keeps both ends of a text of any length", () => {
    const text = `node "${"x".repeat(1e8)}" is odd: do this`;
    const { message } = new GenieError("invalid-model", text);
    expect(message.length).toBeLessThanOrEqual(4000);
    expect(message).toMatch(/^node "x+…x+" is odd: do this$/);
  });

  it("makes any text printable and short", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 200 }),
        fc.integer({ min: 3, max: 100 }),
        (text, limit) => {
          const shown = printable(text, limit);
          expect(shown.length).toBeLessThanOrEqual(limit);
          expect(isPrintable(shown)).toBe(true);
        },
      ),
    );
  });
});
