/**
 * Firebase Cloud Messaging, for Android.
 *
 * Sources: Firebase, “projects.messages.send”, “ErrorCode”, “FCM error codes”, “Scaling FCM”.
 */
import { z } from "zod/mini";
import type { FcmCredential } from "./credentials";
import type { PushOutcome } from "./outcome";
import { jsonOf, type ProviderAnswer, type ProviderRequest } from "./post";
import { type PreparedPush, secondsLeft } from "./prepared-push";
import type { PushSettings } from "./settings";

/** The longest that FCM keeps a message. */
const ttlSecondsMax = 28 * 86_400;
/** How long to wait where FCM does not say. */
const throttledSeconds = 60;

/** `token`: the access token. Data only: a notification would be shown before the app has a say. */
export function fcmRequest(
  push: PreparedPush,
  { projectId }: Pick<FcmCredential, "projectId">,
  token: string,
  { settings, now }: { settings: PushSettings; now: number },
): ProviderRequest {
  const android = {
    priority: "HIGH",
    ttl: `${secondsLeft(push, now, ttlSecondsMax)}s`,
    // A device has four of them at most: what is about a call goes without.
    ...(push.content.type === "message" && { collapse_key: push.topic }),
  };
  const base = settings.FCM_URL || "https://fcm.googleapis.com";
  return {
    url: `${base}/v1/projects/${encodeURIComponent(projectId)}/messages:send`,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ message: { token: push.token, data: { sin: push.body }, android } }),
  };
}

/** Google's error model: https://cloud.google.com/apis/design/errors */
const answered = z.object({
  error: z.object({
    status: z.optional(z.string()),
    message: z.optional(z.string()),
    details: z.optional(
      z.array(
        z.object({
          errorCode: z.optional(z.string()),
          fieldViolations: z.optional(z.array(z.object({ field: z.optional(z.string()) }))),
        }),
      ),
    ),
  }),
});

export function fcmOutcome({ status, text, retryAfter }: ProviderAnswer): PushOutcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  const { code, aboutToken } = errorOf(text);
  const why = { reason: code ?? `answered ${status}` };
  // A 404 that does not say so comes from somebody else than FCM.
  if (code === "UNREGISTERED" || (status === 404 && code === "NOT_FOUND")) return { kind: "dead", ...why };
  if (code === "SENDER_ID_MISMATCH" || (code === "INVALID_ARGUMENT" && aboutToken)) {
    return { kind: "dead", ...why };
  }
  if (status === 401 || status === 403) {
    return { kind: "credential", ...why, ...(code === "UNAUTHENTICATED" && { token: true }) };
  }
  if (status === 429) return { kind: "throttled", ...why, retryAfter: retryAfter ?? throttledSeconds };
  const passes = status >= 500 || status < 400 || status === 408;
  return passes ? { kind: "temporary", ...why, retryAfter } : { kind: "fault", ...why };
}

/** FCM's own code where there is one, else Google's; and whether it is the registration token that is wrong. */
function errorOf(text: string): { code?: string; aboutToken?: boolean } {
  const { error } = answered.safeParse(jsonOf(text)).data ?? {};
  if (!error) return {};
  const details = error.details ?? [];
  const fields = details.flatMap(({ fieldViolations }) => fieldViolations ?? []);
  const aboutToken =
    fields.length > 0
      ? fields.every(({ field }) => field === "message.token")
      : /registration token/i.test(error.message ?? "");
  return { code: details.find(({ errorCode }) => errorCode)?.errorCode ?? error.status, aboutToken };
}
