/** Registration schemes 1 and 2: a signature over user, application and a growing sequence. */
import { constantTimeEqual, someSequential, toBase64, utf8 } from "./bytes";

const uint64Max = 2n ** 64n - 1n;

/**
 * A uint64 in decimal, as the signature has it. A JSON number above 2^53 has lost digits on its
 * way and is refused: send it as a text.
 */
export function parseSequence(value: unknown): string | undefined {
  if (typeof value === "number") {
    return Number.isSafeInteger(value) && value >= 0 ? String(value) : undefined;
  }
  if (typeof value !== "string" || !/^(0|[1-9]\d{0,19})$/.test(value)) return undefined;
  return BigInt(value) <= uint64Max ? value : undefined;
}

export interface SignedRegistration {
  applicationKey: string;
  userId: string;
  /** Of {@link parseSequence}. */
  sequence: string;
}

/** `base64(sha1(userId + applicationKey + sequence + applicationSecret))`. Source: SPEC section 1. */
export async function registrationSignature(what: SignedRegistration, secret: string): Promise<string> {
  const text = what.userId + what.applicationKey + what.sequence + secret;
  return toBase64(new Uint8Array(await crypto.subtle.digest("SHA-1", utf8(text))));
}

/** Whether one of the application's secrets made this signature. */
export function isRegistrationSignature(
  what: SignedRegistration,
  signature: string,
  secrets: readonly string[],
): Promise<boolean> {
  return someSequential(secrets, async (secret) =>
    constantTimeEqual(await registrationSignature(what, secret), signature),
  );
}
