/**
 * Web Push: RFC 8030 (the request), RFC 8291 (encryption), RFC 8292 (VAPID).
 *
 * What a push service answers beyond the RFCs: WNS throttles with 406 (Microsoft, “Push request and
 * response headers”), FCM says `UnauthorizedRegistration` with a 400 for a VAPID key that is wrong.
 */
import { encryptNotification } from "@block65/webcrypto-web-push";
import { base64url, importJWK, SignJWT } from "jose";
import type { WebPushDevice } from "../../protocol";
import { utf8 } from "../authentication/bytes";
import type { VapidCredential } from "./credentials";
import type { PushOutcome } from "./outcome";
import type { ProviderAnswer, ProviderRequest } from "./post";
import { type PreparedPush, secondsLeft } from "./prepared-push";

/** Push services keep a message for four weeks at most. */
const ttlSecondsMax = 28 * 86_400;
/** RFC 8292 allows 24 hours. */
const vapidMs = 12 * 3_600_000;

export interface VapidToken {
  token: string;
  /** Milliseconds since 1970. */
  goodUntil: number;
}

/** What shows a push service who sends; good for all endpoints of one origin. */
export async function vapidToken(
  { publicKey, privateKey, subject }: VapidCredential,
  endpoint: string,
  now: number,
): Promise<VapidToken> {
  const point = base64url.decode(publicKey);
  const [x, y] = [point.slice(1, 33), point.slice(33, 65)].map((bytes) => base64url.encode(bytes));
  const key = await importJWK({ kty: "EC", crv: "P-256", x, y, d: privateKey }, "ES256");
  const token = await new SignJWT({})
    .setProtectedHeader({ typ: "JWT", alg: "ES256" })
    .setAudience(new URL(endpoint).origin)
    .setExpirationTime(Math.floor((now + vapidMs) / 1_000))
    .setSubject(subject)
    .sign(key);
  return { token, goodUntil: now + vapidMs / 2 };
}

/** Throws when the device's keys are none. */
export async function webPushRequest(
  push: PreparedPush,
  device: WebPushDevice,
  { publicKey }: Pick<VapidCredential, "publicKey">,
  { token, now }: { token: string; now: number },
): Promise<ProviderRequest> {
  const subscription = { endpoint: device.endpoint, keys: device.keys, expirationTime: null };
  // No padding: what Firefox takes on Android is less than 4,096 bytes.
  const body = await encryptNotification(subscription, utf8(push.body), { pad: false });
  const headers = {
    authorization: `vapid t=${token}, k=${publicKey}`,
    "content-type": "application/octet-stream",
    "content-encoding": "aes128gcm",
    ttl: String(secondsLeft(push, now, ttlSecondsMax)),
    urgency: push.content.type === "message" ? "normal" : "high",
    topic: push.topic,
  };
  return { url: device.endpoint, headers, body };
}

export function webPushOutcome({ status, text, retryAfter }: ProviderAnswer): PushOutcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  const why = { reason: reasonOf(status, text) };
  if (status === 404 || status === 410) return { kind: "dead", ...why };
  const refused = status === 400 && /unauthorized ?registration/i.test(text);
  if (status === 401 || status === 403 || refused) return { kind: "credential", ...why };
  if (status === 429 || status === 406) return { kind: "throttled", ...why, retryAfter };
  const passes = status >= 500 || status < 400 || status === 408;
  return passes ? { kind: "temporary", ...why, retryAfter } : { kind: "fault", ...why };
}

/** Each service has words of its own; they help whoever reads the log, which is to see no endpoint and no token. */
function reasonOf(status: number, text: string): string {
  const words = /[\x20-\x7e]+/
    .exec(text.replace(/[\w.:/-]{32,}/g, "…"))?.[0]
    .trim()
    .slice(0, 120);
  return words ? `answered ${status}: ${words}` : `answered ${status}`;
}
