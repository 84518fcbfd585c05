/**
 * Apple's push service.
 *
 * Sources: Apple, “Sending notification requests to APNs”, “Handling notification responses from
 * APNs”, “Establishing a token-based connection to APNs”.
 */
import * as z from "zod/mini";
import type { ApnsDevice } from "../../protocol";
import type { PushOutcome } from "./outcome";
import { jsonOf, type ProviderAnswer, type ProviderRequest } from "./post";
import type { PreparedPush } from "./prepared-push";
import type { PushSettings } from "./settings";

/** `token`: the provider token. No `apns-id`: one is for one notification, and APNs makes it. */
export function apnsRequest(
  push: PreparedPush,
  device: ApnsDevice,
  token: string,
  { settings, now }: { settings: PushSettings; now: number },
): ProviderRequest {
  const { kind, expires } = push;
  const headers: Record<string, string> = {
    authorization: `bearer ${token}`,
    "content-type": "application/json",
    "apns-push-type": kind,
    "apns-topic": kind === "voip" ? `${device.bundleId}.voip` : device.bundleId,
    "apns-priority": kind === "background" ? "5" : "10",
    // 0: now or never.
    "apns-expiration": String(expires > now ? Math.ceil(expires / 1_000) : 0),
  };
  if (kind === "alert") headers["apns-collapse-id"] = push.topic;
  return { url: `${hostOf(device, settings)}/3/device/${push.token}`, headers, body: push.body };
}

function hostOf({ environment }: ApnsDevice, settings: PushSettings): string {
  return environment === "production"
    ? settings.APNS_PRODUCTION_URL || "https://api.push.apple.com"
    : settings.APNS_DEVELOPMENT_URL || "https://api.sandbox.push.apple.com";
}

const answered = z.object({ reason: z.string(), timestamp: z.optional(z.number()) });

/** Of the device, for good. */
const dead = new Set(["Unregistered", "ExpiredToken", "BadDeviceToken", "DeviceTokenNotForTopic"]);
/** Of the application's key: this topic is not its own. */
const notItsTopic = new Set(["BadTopic", "TopicDisallowed"]);
/** Another token of the same key might do. */
const staleToken = new Set(["ExpiredProviderToken", "InvalidProviderToken"]);

export function apnsOutcome({ status, text, retryAfter }: ProviderAnswer): PushOutcome {
  if (status === 200) return { kind: "sent" };
  const { reason, timestamp } = answered.safeParse(jsonOf(text)).data ?? {};
  const why = { reason: reason ?? `answered ${status}` };
  if (status === 410 || (status === 400 && reason && dead.has(reason))) {
    return { kind: "dead", ...why, ...(status === 410 && timestamp !== undefined && { since: timestamp }) };
  }
  // Another team's push went first over this connection, which the platform chooses, not we.
  if (reason === "UnrelatedKeyIdInToken") return { kind: "temporary", ...why };
  if (status === 403 || (reason && notItsTopic.has(reason))) {
    return { kind: "credential", ...why, ...(reason && staleToken.has(reason) && { token: true }) };
  }
  if (status === 429) return { kind: "throttled", ...why, retryAfter };
  const passes = status >= 500 || status < 400 || status === 408 || reason === "IdleTimeout";
  return passes ? { kind: "temporary", ...why, retryAfter } : { kind: "fault", ...why };
}
