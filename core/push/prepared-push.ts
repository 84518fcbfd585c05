/** A push that is ready for its provider: what is the same for all of them. */

import { base64url } from "jose";
import type { PushDevice } from "../../protocol";
import { serverLimits } from "../../protocol";
import { utf8 } from "../authentication/bytes";
import { composePush, kindOf, type PushKind } from "./compose";
import type { PushContent } from "./content";

export interface PreparedPush {
  content: PushContent;
  kind: PushKind;
  /** The token, or the endpoint. */
  token: string;
  body: string;
  /** Milliseconds since 1970: later it is not worth an attempt, and no provider keeps it for longer. */
  expires: number;
  /** What a newer push takes the place of: the call, or all messages of a user. At most 32 characters of base64url. */
  topic: string;
}

export interface Recipient {
  applicationKey: string;
  userId: string;
  /** Lets the device decline the call. */
  declineKey?: string;
}

/** The push of this content for a device; null where the device cannot be woken by it. */
export async function preparePush(
  content: PushContent,
  device: PushDevice,
  recipient: Recipient,
): Promise<PreparedPush | null> {
  const way = kindOf(device, content);
  if (!way) return null;
  const { sound, mutableContent } = device.provider === "apns" ? device : {};
  const to = { userId: recipient.userId, key: recipient.declineKey, sound, mutableContent };
  const { body } = composePush(content, to, way.kind);
  return {
    ...way,
    content,
    body,
    expires: expiryOf(content, way.kind),
    topic: await topicOf(content, recipient),
  };
}

/** That a call was missed is worth knowing also later, but iOS rings for a VoIP push whatever it says. */
export function expiryOf(content: PushContent, kind: PushKind): number {
  if (content.type !== "cancel" || kind === "voip") return content.until;
  const missed = content.cause !== "otherDeviceAnswered" && content.cause !== "denied";
  return missed ? content.until + serverLimits.missedCallHours * 3_600_000 : content.until;
}

async function topicOf(content: PushContent, { applicationKey, userId }: Recipient): Promise<string> {
  if (content.type !== "message") return content.callId.replaceAll("-", "");
  const digest = await crypto.subtle.digest("SHA-256", utf8(`${applicationKey}/${userId}`));
  return base64url.encode(new Uint8Array(digest)).slice(0, 32);
}

/** For how long a provider is to keep it; 0: to be delivered now or never. */
export function secondsLeft({ expires }: PreparedPush, now: number, atMost: number): number {
  return Math.min(Math.max(Math.ceil((expires - now) / 1_000), 0), atMost);
}
