/**
 * A push in the words of its provider, cut to the size that the provider takes: the display name
 * goes first, then the headers, then the sender; never the id.
 *
 * Sources: SPEC section 5; Apple, “Generating a remote notification”; Firebase, “HTTP v1 send”;
 * RFC 8188 and RFC 8291 for what encryption adds to a Web Push.
 */
import { byteLength, type PushDevice, type PushPayload, serverLimits } from "../../protocol";
import type { PushContent } from "./content";
import { declineKeyCharacters } from "./decline-key";

/** How a push travels. A cancelled call is a background push to a device that was shown an alert. */
export type PushKind = "voip" | "alert" | "background" | "fcm" | "webpush" | "pair";

/** What can be left out, in this order. */
const cuttable = ["name", "headers", "from"] as const;
type Cut = (typeof cuttable)[number];

export interface ComposedPush {
  /** The text that the device gets. */
  sin: string;
  /** What the provider gets: on FCM the value of `data.sin`, on Web Push what is encrypted, a pair's payload. */
  body: string;
  omitted: Cut[];
}

/** AES-128-GCM's header (salt, record size, a P-256 key), one delimiter and its tag. */
const webPushOverhead = 86 + 1 + 16;

/** How a device is woken by this content, and with which of its tokens; null where it cannot be. */
export function kindOf(
  device: PushDevice,
  content: Pick<PushContent, "type">,
): { kind: PushKind; token: string } | null {
  if (device.provider === "fcm") return { kind: "fcm", token: device.token };
  if (device.provider === "webpush") return { kind: "webpush", token: device.endpoint };
  const { voipToken, alertToken, type = "auto" } = device;
  if (content.type !== "message" && voipToken && type !== "alert") return { kind: "voip", token: voipToken };
  // iOS takes every VoIP push for a call.
  if (!alertToken || (type === "voip" && content.type !== "message")) return null;
  return { kind: content.type === "cancel" ? "background" : "alert", token: alertToken };
}

/**
 * What a device of the user `to` gets. `key`: lets it decline the call.
 *
 * `sound` and `mutableContent` are those of an {@link ApnsDevice}.
 */
export function composePush(
  content: PushContent,
  to: { userId: string; key?: string; sound?: string; mutableContent?: boolean },
  kind: PushKind,
): ComposedPush {
  const payload = payloadOf(content, kind === "pair" ? {} : to);
  const omitted: Cut[] = [];
  for (const cut of [undefined, ...cuttable]) {
    if (cut && payload[cut] !== undefined) {
      delete payload[cut];
      omitted.push(cut);
    }
    const composed = compose(content, payload, to, kind);
    if (fits(composed.body, kind)) return { ...composed, omitted };
  }
  // An id, a user id, two keys and a few words: it always fits.
  throw new Error("a push that cannot be cut to its size");
}

/** Whether a device that gets this push has to do without the content's headers. */
export function losesHeaders(content: PushContent, device: PushDevice, userId: string): boolean {
  const way = kindOf(device, content);
  if (!way) return false;
  const { sound, mutableContent } = device.provider === "apns" ? device : {};
  const to = { userId, key: "x".repeat(declineKeyCharacters), sound, mutableContent };
  return composePush(content, to, way.kind).omitted.includes("headers");
}

function payloadOf(content: PushContent, { userId: to, key }: { userId?: string; key?: string }) {
  const { type, from, displayName: name, until } = content;
  const id = content.type === "message" ? content.messageId : content.callId;
  const payload: PushPayload = { v: 1, type, id, until };
  if (content.type !== "message" && content.origin && to) payload.origin = content.origin;
  if (to) payload.to = to;
  if (from !== undefined) payload.from = from;
  if (name) payload.name = name;
  if (content.type !== "message" && content.video) payload.video = true;
  if (content.type !== "cancel" && Object.keys(content.headers).length > 0) payload.headers = content.headers;
  if (content.type === "cancel") payload.cause = content.cause;
  if (key && content.type === "call") payload.key = key;
  return payload;
}

function compose(
  content: PushContent,
  payload: PushPayload,
  { sound, mutableContent }: { sound?: string; mutableContent?: boolean },
  kind: PushKind,
): Pick<ComposedPush, "sin" | "body"> {
  const sin = JSON.stringify(payload);
  if (kind === "webpush") return { sin, body: JSON.stringify({ sin }) };
  if (kind === "fcm" || kind === "pair") return { sin, body: sin };
  if (kind === "background") return { sin, body: JSON.stringify({ aps: { "content-available": 1 }, sin }) };
  const key = locKey(content);
  const alert = payload.name
    ? { "loc-key": `${key}_DISPLAY_NAME`, "loc-args": [payload.name] }
    : { "loc-key": key };
  const shown = kind === "alert" && {
    ...(sound && { sound }),
    ...(mutableContent && { "mutable-content": 1 }),
  };
  return { sin, body: JSON.stringify({ aps: { alert, ...shown }, sin }) };
}

function locKey(content: PushContent): string {
  if (content.type === "message") return "SIN_INCOMING_IM";
  return content.video ? "SIN_INCOMING_VIDEO_CALL" : "SIN_INCOMING_CALL";
}

function fits(body: string, kind: PushKind): boolean {
  const bytes = byteLength(body);
  switch (kind) {
    case "voip":
      return bytes <= serverLimits.pushVoipBytes;
    case "webpush":
      return bytes + webPushOverhead <= serverLimits.pushBytes;
    case "fcm":
      // The name of the value counts.
      return bytes + byteLength("sin") <= serverLimits.pushBytes;
    case "pair":
      return bytes <= serverLimits.pushPairBytes;
    default:
      return bytes <= serverLimits.pushBytes;
  }
}
