export { fill } from "./fill";
export { evaluateFunction } from "./evaluate";
