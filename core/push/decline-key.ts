/** What a call's push carries so that the device it woke can decline the call without being connected. */
import { constantTimeEqual, hmacSha256, toBase64 } from "../authentication/bytes";
import { deriveKey } from "../authentication/master-key";

export interface DeclinedCall {
  /** The callee. */
  applicationKey: string;
  userId: string;
  callId: string;
  /** The application that the call belongs to, when that is not the callee's own. */
  origin?: string;
}

/** Of base64url: 132 bits. */
export const declineKeyCharacters = 22;

/** {@link declineKeyCharacters} of base64url. */
export async function declineKey(masterKey: string, call: DeclinedCall): Promise<string> {
  const { applicationKey, userId, callId, origin = applicationKey } = call;
  const signed = await hmacSha256(
    await deriveKey(masterKey, "push declines"),
    [origin, callId, applicationKey, userId].join("\n"),
  );
  return toBase64(signed).replace(/\+/g, "-").replace(/\//g, "_").slice(0, declineKeyCharacters);
}

export async function isDeclineKey(masterKey: string, call: DeclinedCall, key: string): Promise<boolean> {
  return constantTimeEqual(await declineKey(masterKey, call), key);
}
