/** Tones in INFO requests: `application/dtmf-relay` as gateways write it, and the bare `application/dtmf`. */

export const relayType = "application/dtmf-relay";
const keys = "0123456789*#ABCD";

/** One tone to send. */
export function relayBody(key: string): string {
  return `Signal=${key.toUpperCase()}\r\nDuration=160\r\n`;
}

/** The tones of an INFO; undefined where it is about something else, "" for one that is no key (flash). */
export function tonesOf(contentType: string | undefined, body: string): string | undefined {
  const type = contentType?.split(";")[0]?.trim().toLowerCase();
  if (type === "application/dtmf") return keyOf(body.trim());
  if (type !== relayType) return undefined;
  return keyOf(/^\s*signal\s*=\s*(\S+)/im.exec(body)?.[1] ?? "");
}

/** Some count them as RFC 4733 does: 10 is the star. */
function keyOf(signal: string): string {
  const key = /^1[0-5]$/.test(signal) ? keys.charAt(Number(signal)) : signal.toUpperCase();
  return key.length === 1 && keys.includes(key) ? key : "";
}
