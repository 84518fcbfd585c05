/**
 * Structured logs: one JSON line per event.
 *
 * `reference` runs through the Worker, the hub and the session that handle one request, and is in
 * every answer, so that a user's report leads to all of its lines.
 */
export interface LogFields {
  reference?: string;
  [field: string]: string | number | boolean | null | undefined;
}

/** Writes one line. Never give it a secret, a token, an SDP or a text of a user. */
export function log(level: "info" | "warn" | "error", event: string, fields: LogFields = {}): void {
  console[level === "info" ? "log" : level](JSON.stringify({ level, event, ...fields }));
}

/** A new reference: 16 hexadecimal characters. */
export function newReference(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
