/** Bytes and texts, as the signatures need them. */
const encoder = new TextEncoder();

export type Bytes = Uint8Array<ArrayBuffer>;

/** UTF-8. */
export function utf8(text: string): Bytes {
  return encoder.encode(text) as Bytes;
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

/** Undefined when it is not base64. */
export function fromBase64(text: string): Bytes | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** Takes the same time wherever two texts of one length differ. */
export function constantTimeEqual(one: string, other: string): boolean {
  const left = utf8(one);
  const right = utf8(other);
  let difference = left.length ^ right.length;
  for (let at = 0; at < left.length; at++) difference |= (left[at] ?? 0) ^ (right[at] ?? 0);
  return difference === 0;
}

export async function hmacSha256(key: Bytes, message: string): Promise<Bytes> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, utf8(message)));
}

/** Every one of the candidates is tried, so that the time tells nothing about which one fits. */
export async function someSequential<T>(
  candidates: readonly T[],
  fits: (candidate: T) => Promise<boolean>,
): Promise<boolean> {
  let found = false;
  for (const candidate of candidates) found = (await fits(candidate)) || found;
  return found;
}
