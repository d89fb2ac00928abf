/**
 * Which chunk a module goes to, so that a chunk's name says what it holds, and formats load when they are needed.
 * What is in no list goes with the entry that reads it.
 */
const CHUNKS = [
  ["files", /\/src\/formats\/[^/]+\.ts|\/src\/formats\/graph\/permute|\/src\/session\/load|\/src\/fileError/],
  [
    "onnx",
    /\/src\/formats\/onnx\/(?!importer|import\.ts|tail\/(collect|upgrade))|\/@bufbuild\/protobuf\/|\/src\/version/,
  ],
  ["import-onnx", /\/src\/formats\/onnx\//],
  ["export-tfjs", /\/src\/formats\/(tfjs\/(export|layersWriter)|keras\/(windows|activations))/],
  ["foreign", /\/src\/formats\/foreign\//],
  ["import-graph", /\/src\/formats\/graph\//],
  ["import-tflite", /\/src\/formats\/tflite\/|\/node_modules\/flatbuffers\//],
  ["import-tensorflow", /\/src\/formats\/(tensorflow\/|tfjs\/(graphDef|importGraphModel))/],
  ["import-layers", /\/src\/formats\/(keras|tfjs)\//],
  ["hdf5", /\/node_modules\/jsfive\//],
  ["deflate", /\/node_modules\/fflate\//],
  ["png", /\/node_modules\/(fast-png|iobuffer)\//],
  ["jpeg", /\/node_modules\/@jsquash\//],
  ["workers", /\/node_modules\/comlink\//],
  ["checkpoint", /\/src\/checkpoint\/|\/node_modules\/(@noble\/hashes|cborg|idb-keyval)\//],
  [
    "engine",
    /\/src\/(ir|kernels|engine)\/|\/src\/(errors|images|options|printable|progress|profile)\.ts|\/@tensorflow\/|\/node_modules\/(long|seedrandom|wasm-feature-detect)\//,
  ],
  ["method", /\/src\/(synthesis|quantization|memory|session|workers\/(?!worker\.ts))/],
];

/** For rollup's `output.manualChunks`. */
export function chunkOf(id) {
  return CHUNKS.find(([, pattern]) => pattern.test(id))?.[0];
}
