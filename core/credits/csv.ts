/** Comma-separated values (RFC 4180), but no line break inside a field: a line is what an error names. */

/** The fields of a line; undefined when a quote is not where it may be. */
export function parseCsvLine(line: string): string[] | undefined {
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
  const fields: string[] = [];
  for (let more = true; more; ) {
    const [, quoted, plain = "", end] = field.exec(line) ?? [];
    if (end === undefined) return undefined;
    fields.push(quoted?.replaceAll('""', '"') ?? plain);
    more = end === ",";
  }
  return fields;
}

/** A line with its end. */
export function toCsvLine(fields: readonly (string | number)[]): string {
  return `${fields.map(quote).join(",")}\r\n`;
}

function quote(field: string | number): string {
  const text = String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
