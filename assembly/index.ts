export { fill } from "./fill";
