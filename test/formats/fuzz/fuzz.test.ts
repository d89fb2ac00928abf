/** A short run of what `npm run fuzz:formats` does at length. */
import { expect, it } from "vitest";
import { smallGraphModel, smallTflite } from "../tensorflow/fixtures.ts";
import { fuzzGraphModel, fuzzTflite } from "./trial.ts";

it("damaged TFLite files are taken or refused with a typed error", async () => {
  const { taken, refused, elementsPerByte } = await fuzzTflite(smallTflite(), 600);
  expect(taken).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(200);
  expect(elementsPerByte).toBeLessThan(4);
});

it("damaged TFJS graph models are taken or refused with a typed error", async () => {
  const { taken, refused, elementsPerByte } = await fuzzGraphModel(smallGraphModel(), 600);
  expect(taken).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(200);
  expect(elementsPerByte).toBeLessThan(4);
});
