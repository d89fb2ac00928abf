/**
 * What is compiled into files that a bundler sees as one: their licences ask to be named too.
 *
 * `text` is a file in rollup/licenses/ or one of an installed package (from node_modules/).
 */
const package_ = (path) => `../node_modules/${path}`;

export const PARTS = {
  xnnpack: { name: "XNNPACK", license: "BSD-3-Clause", text: "licenses/xnnpack.txt" },
  pthreadpool: { name: "pthreadpool", license: "BSD-2-Clause", text: "licenses/pthreadpool.txt" },
  cpuinfo: { name: "cpuinfo and clog", license: "BSD-2-Clause", text: "licenses/cpuinfo.txt" },
  fxdiv: { name: "FXdiv", license: "MIT", text: "licenses/fxdiv.txt" },
  fp16: { name: "FP16", license: "MIT", text: "licenses/fp16.txt" },
  eigen: { name: "Eigen", license: "MPL-2.0", text: "licenses/eigen.txt" },
  emscripten: { name: "Emscripten", license: "MIT OR NCSA", text: "licenses/emscripten.txt" },
  musl: { name: "musl", license: "MIT", text: "licenses/musl.txt" },
  llvm: {
    name: "LLVM libc++ and compiler-rt",
    license: "Apache-2.0 WITH LLVM-exception",
    text: "licenses/llvm.txt",
  },
  mozjpeg: {
    name: "MozJPEG and libjpeg-turbo",
    license: "IJG AND BSD-3-Clause AND Zlib",
    text: package_("@jsquash/jpeg/codec/LICENSE.codec.md"),
  },
  ijg: { name: "libjpeg of the Independent JPEG Group", license: "IJG", text: "licenses/ijg.txt" },
  assemblyscript: {
    name: "AssemblyScript's standard library",
    license: "Apache-2.0",
    text: package_("assemblyscript/NOTICE"),
  },
  pako: { name: "pako", license: "(MIT AND Zlib)", text: package_("pako/LICENSE") },
  protobuf: { name: "Protocol Buffers", license: "BSD-3-Clause", text: "licenses/protobuf.txt" },
};

const ofEmscripten = ["emscripten", "musl", "llvm"];

/** Which parts are in which file of dist/assets. */
export const COMPILED_ASSETS = {
  "genie.wasm": ["assemblyscript"],
  "genie.relaxed.wasm": ["assemblyscript"],
  "mozjpeg_dec.wasm": ["mozjpeg", "ijg", ...ofEmscripten],
  "tfjs-backend-wasm-simd.wasm": [
    "xnnpack",
    "pthreadpool",
    "cpuinfo",
    "fxdiv",
    "fp16",
    "eigen",
    ...ofEmscripten,
  ],
};

/** Which parts are in which package, as it is installed. */
export const COMPILED_PACKAGES = {
  jsfive: ["pako"],
  "@bufbuild/protobuf": ["protobuf"],
};
