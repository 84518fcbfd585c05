/** What a text of JSON says; undefined for one that cannot be read, and for none. */
export function parse(text: string | null | undefined): unknown {
  try {
    return JSON.parse(text ?? "");
  } catch {
    return undefined;
  }
}
