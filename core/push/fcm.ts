/**
 * Firebase Cloud Messaging, for Android.
 *
 * Sources: Firebase, “projects.messages.send”, “ErrorCode”, “FCM error codes”, “Scaling FCM”.
 */
import * as z from "zod/mini";
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

/** What FCM says of a token with one project's credential; see {@link fcmVerdict}. */
export function fcmOutcome({ status, text, retryAfter }: ProviderAnswer): PushOutcome {
  if (status >= 200 && status < 300) return { kind: "sent" };
  const { code, aboutToken } = errorOf(text);
  const why = { reason: code ?? `answered ${status}` };
  // A 404 that does not say so comes from somebody else than FCM.
  if (code === "UNREGISTERED" || (status === 404 && code === "NOT_FOUND"))
    return { kind: "dead", ...why, ofProject: true };
  if (code === "SENDER_ID_MISMATCH") return { kind: "credential", ...why, missing: true };
  if (code === "INVALID_ARGUMENT" && aboutToken) return { kind: "dead", ...why };
  if (status === 401 || status === 403) {
    return { kind: "credential", ...why, ...(code === "UNAUTHENTICATED" && { token: true }) };
  }
  if (status === 429) return { kind: "throttled", ...why, retryAfter: retryAfter ?? throttledSeconds };
  const passes = status >= 500 || status < 400 || status === 408;
  return passes ? { kind: "temporary", ...why, retryAfter } : { kind: "fault", ...why };
}

/** Of a token that a project's key could not push to: it is of another project, or gone, or the key is refused. */
export type FcmRefusal = Extract<PushOutcome, { kind: "credential" | "dead" }>;

/**
 * What to think of a token that no project has taken. Another project's key cannot tell that it is
 * dead: FCM answers “mismatch” or “unregistered” for a token that lives.
 *
 * `named`: the device says that it is of the project that was asked. `all`: every project was asked
 * that the token can be of. There is one refusal at least.
 */
export function fcmVerdict(
  refusals: readonly FcmRefusal[],
  { named, all }: { named: boolean; all: boolean },
): FcmRefusal {
  const refused = refusals.find((refusal) => refusal.kind === "credential" && !refusal.missing);
  if (refused) return refused;
  const gone = refusals.find(({ kind }) => kind === "dead");
  if (gone && (named || all)) return gone;
  const reason = [...new Set(refusals.map((refusal) => refusal.reason))].join(", ");
  return named ? { kind: "dead", reason } : { kind: "credential", reason, missing: true };
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
