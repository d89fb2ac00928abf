/** Formats that are not read here: how each is told, what it is called, and the command that makes a readable file of it. */
import { holdsMagic } from "../magic.ts";

export interface ForeignFormat {
  /** "this is …" */
  what: string;
  /** The command, or why there is none. */
  how: string;
  /** Told by what the file holds. */
  holds?: (file: Glimpse) => boolean;
  /** Told by the file's name where its bytes say nothing. */
  named?: RegExp;
  /** Told by the names in a folder. */
  folder?: (names: readonly string[]) => boolean;
}

/** A file's bytes, and its first and last thousands of them as Latin-1 text. */
export interface Glimpse {
  bytes: Uint8Array;
  head: string;
  tail: string;
}

const TORCH_EXPORT = 'torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), "model.onnx")';
const FROM_SOURCE = "no converter leads back: export the network that it was made from to ONNX";

const isZip = ({ bytes }: Glimpse) => holdsMagic(bytes, "PK\x03\x04");
/** A first field of the wire type "length-delimited", as GraphDef and Caffe's NetParameter begin. */
const isMessageList = ({ bytes }: Glimpse) => bytes[0] === 0x0a;
/** A version, then a message that begins with another. */
function isVersioned({ bytes }: Glimpse): boolean {
  if (bytes[0] !== 0x08 || bytes[1]! > 16 || bytes[2] !== 0x12) return false;
  let end = 3;
  while (end < 8 && bytes[end]! >= 0x80) end++;
  return bytes[end + 1] === 0x0a;
}
const isPickle = ({ bytes }: Glimpse) => bytes[0] === 0x80 && bytes[1]! >= 2 && bytes[1]! <= 5;
/** A length in 8 bytes, then JSON. */
const isSafetensors = ({ bytes, head }: Glimpse) =>
  bytes.length > 10 && bytes[6] === 0 && bytes[7] === 0 && /^[{][\s"]/.test(head.slice(8, 10));

/** The first that fits is meant: the telling before the vague. */
export const foreignFormats: readonly ForeignFormat[] = [
  {
    what: "a TorchScript archive",
    how: `in Python: torch.onnx.export(torch.jit.load("model.pt"), torch.zeros(1, 3, 224, 224), "model.onnx", dynamo=False)`,
    holds: (file) => isZip(file) && /\/constants\.pkl|\/code\/__torch__/.test(file.tail),
  },
  {
    what: "a PyTorch checkpoint, which holds weights and no network",
    how: `in Python, with the model that it is of: model.load_state_dict(torch.load("model.pth")); ${TORCH_EXPORT}`,
    holds: (file) =>
      (isZip(file) && /\/data\.pkl/.test(file.tail)) ||
      (isPickle(file) && file.head.startsWith("\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", 2)),
    named: /\.(pth|pt|ckpt)$/i,
    folder: (names) => names.includes("pytorch_model.bin"),
  },
  {
    what: "safetensors, which hold weights and no network",
    how: `with its folder from Hugging Face: optimum-cli export onnx --model FOLDER out/; or in Python, with the model that they are of: ${TORCH_EXPORT}`,
    holds: isSafetensors,
    named: /\.safetensors$/i,
    folder: (names) => names.some((name) => name.endsWith(".safetensors")),
  },
  {
    what: "a MediaPipe task bundle",
    how: "unzip it and name a .tflite file of those in it",
    holds: (file) => isZip(file) && file.tail.includes(".tflite"),
  },
  {
    what: "NumPy arrays (.npz), which are no network",
    how: "export the network itself to ONNX",
    holds: (file) => isZip(file) && file.tail.includes(".npy"),
  },
  {
    what: "a Python pickle, perhaps of scikit-learn or joblib",
    how:
      'in Python: open("model.onnx", "wb").write(skl2onnx.to_onnx(model, X[:1]).SerializeToString()), or of PyTorch: ' +
      TORCH_EXPORT,
    holds: isPickle,
    named: /\.(pkl|pickle|joblib)$/i,
  },
  {
    what: "a TensorFlow SavedModel",
    how: "python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
    holds: (file) =>
      isVersioned(file) && /VarHandleOp|Placeholder|serving_default|serve/.test(file.head + file.tail),
    folder: (names) => names.includes("saved_model.pb") || names.includes("saved_model.pbtxt"),
  },
  {
    what: "a frozen TensorFlow graph (GraphDef)",
    how: "python -m tf2onnx.convert --graphdef model.pb --inputs NAME:0 --outputs NAME:0 --output model.onnx",
    holds: (file) =>
      // Names of operators, each behind its length.
      isMessageList(file) &&
      ["\x0bPlaceholder", "\x05Const"].some((name) => file.head.includes(name) || file.tail.includes(name)),
    named: /\.pb$/i,
  },
  {
    what: "a Core ML model",
    how: 'in Python, for .mlmodel: onnxmltools.convert_coreml(coremltools.utils.load_spec("model.mlmodel")).SerializeToString(); an .mlpackage has no way back: export the network that it was made from to ONNX',
    holds: isVersioned,
    named: /\.(mlmodel|mlpackage|mlmodelc)$/i,
    folder: (names) =>
      (names.includes("Manifest.json") && names.includes("Data")) || names.includes("coremldata.bin"),
  },
  {
    what: "an NCNN network",
    how: FROM_SOURCE,
    holds: ({ head }) => /^7767517\s/.test(head),
    named: /\.param$/i,
    folder: (names) => names.some((name) => name.endsWith(".param")),
  },
  {
    what: "a Caffe network",
    how: "python -m caffe2onnx.convert --prototxt model.prototxt --caffemodel model.caffemodel --onnx model.onnx",
    holds: (file) =>
      /\blayers?\s*\{[^}]*\btype\s*:/.test(file.head) ||
      (isMessageList(file) && /Convolution|InnerProduct/.test(file.head + file.tail)),
    named: /\.(prototxt|caffemodel)$/i,
  },
  {
    what: "an OpenVINO network",
    how: "openvino2tensorflow --model_path model.xml --output_no_quant_float32_tflite makes a .tflite file of it",
    holds: ({ head }) => /^\s*(<\?xml[^>]*>\s*)?<net\s/.test(head),
    folder: (names) =>
      names.some((name) => name.endsWith(".xml")) && names.some((name) => name.endsWith(".bin")),
  },
  {
    what: "a GGUF file, a language model quantized already",
    how: "it is not for this tool",
    holds: ({ bytes }) => holdsMagic(bytes, "GGUF"),
    named: /\.gguf$/i,
  },
  {
    what: "ONNX Runtime's own format (.ort)",
    how: "name the .onnx file that it was made from",
    holds: ({ bytes }) => holdsMagic(bytes, "ORTM", 4),
  },
  {
    what: "an ExecuTorch program (.pte)",
    how: FROM_SOURCE,
    holds: ({ head }) => /^ET\d\d/.test(head.slice(4, 8)),
  },
  {
    what: "a Darknet configuration",
    how: FROM_SOURCE,
    holds: ({ head }) => /^\s*(#[^\n]*\s+)*\[net(work)?\]/.test(head),
  },
  {
    what: "a file of weights without their network (.bin), perhaps of NCNN, OpenVINO or TensorFlow.js",
    how: "name the file that describes the network: model.json is read; .param and .xml are to be exported to ONNX",
    named: /\.bin$/i,
  },
];
