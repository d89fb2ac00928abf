/** jsfive has no declarations: what we use of it. */
declare module "jsfive" {
  export class File {
    constructor(buffer: ArrayBuffer, name: string);
  }
}
