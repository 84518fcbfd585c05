/** What a push says: read in any runtime, at once, without a client. The payload's words are in protocol/push.ts. */
import {
  type CallHeaders,
  type EndCause,
  isUuid,
  type PushPair as PushPairFrame,
  type PushPayload,
} from "../../protocol";
import { fromBase64, parse } from "./values";

/** What a push says. */
export interface NotificationResult {
  /** It is a push of Carillon's; everything else is empty otherwise. */
  valid: boolean;
  isCall: boolean;
  isMessage: boolean;
  /** A UUID, as CallKit wants it. */
  callId?: string;
  messageId?: string;
  /** The user that it is for. A push that the app's own server sent does not say. */
  userId?: string;
  /** Missing for a message of the application itself, and where there was no room for it. */
  remoteUserId?: string;
  displayName?: string;
  headers: CallHeaders;
  videoOffered: boolean;
  /** It does not ring any more, or the message is gone. */
  timedOut: boolean;
  /** The call is over, and why. */
  canceled?: EndCause;
  /** When it stops to ring, or the message is gone; milliseconds since 1970, on the server's clock. */
  until: number;
}

/**
 * What the payload of a push says: the text `sin`, what APNs, FCM or a browser wrap it in (`userInfo`,
 * `RemoteMessage`, `event.data.json()`), or JSON of any of these. Never throws.
 *
 * @param now Milliseconds since 1970.
 * @example
 * const { isCall, callId, remoteUserId } = queryPushNotificationPayload(message.data);
 */
export function queryPushNotificationPayload(payload: unknown, now = Date.now()): NotificationResult {
  return toResult(readPush(payload), now);
}

/** The payload; undefined for whatever is none. */
export function readPush(given: unknown, depth = 4): PushPayload | undefined {
  const value = (typeof given === "string" ? parse(given) : given) as Record<string, unknown> | undefined;
  if (typeof value !== "object" || !value || depth === 0) return undefined;
  if (value.v !== 1) return readPush(value.sin ?? value.data, depth - 1);
  const isText = (text: unknown) => text === undefined || typeof text === "string";
  const { type, id, origin, headers = {}, until } = value;
  const valid =
    ["call", "cancel", "message"].includes(type as string) &&
    [id, origin ?? id].every(isUuid) &&
    [origin, value.to, value.from, value.name, value.cause, value.key].every(isText) &&
    typeof headers === "object" &&
    headers &&
    !Array.isArray(headers) &&
    Object.values(headers).every(isText) &&
    Number.isFinite(until);
  return valid ? (value as unknown as PushPayload) : undefined;
}

export function toResult(push: PushPayload | undefined, now: number): NotificationResult {
  const isMessage = push?.type === "message";
  const isCall = !!push && !isMessage;
  const { until = 0 } = push ?? {};
  return {
    valid: !!push,
    isCall,
    isMessage,
    callId: isCall ? push.id : undefined,
    messageId: isMessage ? push.id : undefined,
    userId: push?.to,
    remoteUserId: push?.from,
    displayName: push?.name,
    headers: { ...push?.headers },
    videoOffered: !!push?.video,
    timedOut: !!push && now >= push.until,
    canceled: push?.type === "cancel" ? (push.cause ?? "canceled") : undefined,
    until,
  };
}

/** What the app's own server has to send, and to which device. */
export interface PushPair {
  /** For {@link PushClient.relayRemotePushNotification} on that device; at most 100 bytes. */
  payload: string;
  /** What the device registered. */
  pushData: Uint8Array;
  /** Whose device it is. */
  userId: string;
}

export function toPushPairs(pairs: readonly PushPairFrame[]): PushPair[] {
  return pairs.map(({ payload, data, to }) => ({ payload, pushData: fromBase64(data), userId: to }));
}
