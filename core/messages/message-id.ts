/** A UUIDv7 (RFC 9562): the milliseconds, then 74 of these 80 random bits. */
export function newMessageId(now: number, random: Uint8Array): string {
  const hex = [...random.subarray(0, 10)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const variant = "89ab"[(random[2] ?? 0) >> 6] ?? "8";
  return `${timeOf(now)}7${hex.slice(0, 3)}-${variant}${hex.slice(5, 8)}-${hex.slice(8)}`;
}

/** In the order of texts before every message id of this time and later, and after all earlier ones. */
export function lowestMessageId(time: number): string {
  return timeOf(Math.max(0, time));
}

function timeOf(time: number): string {
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-`;
}
