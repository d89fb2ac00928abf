/** Text from files as it may be shown: nothing in it breaks a line, steers a terminal or fills the screen. */

/**
 * Control characters (C0, DEL, C1), line separators, half surrogates, and what turns the direction of writing or is not
 * seen: a name with U+202E in it reads backwards, and passes for another.
 */
const UNPRINTABLE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}/u;
const EACH = new RegExp(UNPRINTABLE.source, "gu");
/** The text's own line breaks and tabs are blanks, not damage. */
const BLANKS = /[\t\n\r]+/g;

/** Whether a name may be shown as it is. No exporter writes names with control characters; damage and attackers do. */
export function isPrintable(name: string): boolean {
  return !UNPRINTABLE.test(name);
}

/**
 * The text on one line of at most `limit` characters: what cannot be shown stands as "�", and of a longer text the
 * middle is left out, since messages say what is wrong in front and what to do at the end.
 */
export function printable(text: string, limit: number): string {
  const half = Math.floor((limit - 1) / 2);
  const short = text.length > limit ? `${text.slice(0, half)}…${text.slice(-half)}` : text;
  return short.replace(BLANKS, " ").replace(EACH, "�");
}

/** The same text as JSON, for programs: exact, with escapes for what cannot be shown. */
export function printableJson(value: unknown): string {
  return JSON.stringify(value).replace(
    EACH,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
