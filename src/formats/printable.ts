/** What would break a line or steer a terminal when an error or a report prints it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Whether a name may be shown as it is. No exporter writes names with control characters; damage and attackers do. */
export function isPrintable(name: string): boolean {
  return !UNPRINTABLE.test(name);
}
