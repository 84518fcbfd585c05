/** The id of the call that a request with an `Idempotency-Key` makes. */
import { hmacSha256 } from "../authentication/bytes";
import { deriveKey } from "../authentication/master-key";

/**
 * Always the same for an application's key. Nobody else can tell it: a client that used it for a call of
 * its own would keep the callout from being made. A UUID of version 8 (RFC 9562, 5.8).
 */
export async function calloutId(masterKey: string, applicationKey: string, key: string): Promise<string> {
  const signed = await hmacSha256(await deriveKey(masterKey, "callouts"), `${applicationKey}\n${key}`);
  const hex = Array.from(signed.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const variant = ((signed[8] ?? 0) & 0x3f) | 0x80;
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant.toString(16) + hex.slice(18, 20),
    hex.slice(20),
  ].join("-");
}
