/** The few rules about values that both sides check. */
import { limits } from "./limits";

/** The length of a text in UTF-8 bytes. */
export function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** 1 to 40 characters, each printable ASCII 0x21 to 0x7E. Source: SPEC section 1. */
export function isUserId(value: unknown): value is string {
  return typeof value === "string" && /^[!-~]{1,40}$/.test(value);
}

/** A lowercase GUID. */
export function isApplicationKey(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}

/** Call ids, connection ids and instance ids are lowercase UUIDs as well. */
export const isUuid = isApplicationKey;

/** String to string, {@link limits.headersBytes} in all. */
export function areHeaders(value: unknown): value is Record<string, string> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  let bytes = 0;
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== "string") return false;
    bytes += byteLength(name) + byteLength(text);
  }
  return bytes <= limits.headersBytes;
}

/** 1 to 64 characters, none of them a control character or half a character. Source: SPEC section 3. */
export function isConferenceId(value: unknown): value is string {
  if (typeof value !== "string" || value.length > 128) return false;
  const characters = [...value];
  // A lone surrogate is a character of its own here, and no text.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for.
  const bad = /^[\u0000-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff]$/;
  return (
    characters.length >= 1 &&
    characters.length <= limits.conferenceIdCharacters &&
    !characters.some((character) => bad.test(character))
  );
}

/**
 * A callee's address: a user of the caller's own application, or `userId@applicationKey` for
 * another application of the same account. An `@` that no application key follows belongs to the
 * user id, where it is a legal character.
 */
export function parseAddress(address: string): { userId: string; applicationKey?: string } {
  const at = address.lastIndexOf("@");
  const key = address.slice(at + 1);
  return at > 0 && isApplicationKey(key)
    ? { userId: address.slice(0, at), applicationKey: key }
    : { userId: address };
}
