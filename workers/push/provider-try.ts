/** One request to a provider, with one credential. */
import { apnsOutcome, apnsRequest } from "../../core/push/apns";
import type { PushContent } from "../../core/push/content";
import type { StoredPushCredential } from "../../core/push/credential-store";
import { fcmOutcome, fcmRequest } from "../../core/push/fcm";
import type { PushOutcome } from "../../core/push/outcome";
import { type ProviderAnswer, type ProviderRequest, post } from "../../core/push/post";
import type { PreparedPush } from "../../core/push/prepared-push";
import type { PushSettings } from "../../core/push/settings";
import { webPushOutcome, webPushRequest } from "../../core/push/web-push";
import { isPushEndpoint } from "../../core/push/web-push-endpoint";
import type { PushDevice } from "../../protocol";
import type { PushKeys } from "./push-keys";

export interface TryMeans {
  settings: PushSettings;
  keys: Pick<PushKeys, "providerToken" | "vapidToken">;
  fetch: typeof fetch;
  /** Milliseconds since 1970. */
  now: () => number;
  /** No request is begun that may take longer than until then. */
  until: number;
}

/** `token`: what was shown to the provider. */
export interface ProviderTry {
  outcome: PushOutcome;
  token?: string;
}

const timeoutMs = { call: 5_000, cancel: 5_000, message: 10_000 };

/** Whether a request may be begun. */
export function hasTime({ type }: Pick<PushContent, "type">, { now, until }: TryMeans): boolean {
  return now() + timeoutMs[type] <= until;
}

/**
 * Undefined: no time is left for it. `before`: what became of it with this credential; where there
 * is no other token, that is the answer again.
 */
export async function tryWith(
  credential: StoredPushCredential,
  push: PreparedPush,
  device: PushDevice,
  means: TryMeans,
  before?: ProviderTry,
): Promise<ProviderTry | undefined> {
  if (device.provider === "webpush" && !isPushEndpoint(device.endpoint, means.settings.WEB_PUSH_HOSTS))
    return { outcome: { kind: "fault", reason: "the endpoint is on no known push service" } };
  const shown = await tokenFor(credential, push, means, before?.token);
  if ("outcome" in shown) return shown;
  const { token } = shown;
  if (before && token === before.token) return before;
  if (!hasTime(push.content, means)) return undefined;
  const asking = await askFor(credential, push, device, token, means);
  if ("outcome" in asking) return asking;
  const answer = await post(asking.request, {
    fetch: means.fetch,
    now: means.now,
    timeoutMs: timeoutMs[push.content.type],
  });
  return { outcome: "kind" in answer ? answer : asking.judge(answer), token };
}

async function tokenFor(
  credential: StoredPushCredential,
  push: PreparedPush,
  { keys }: TryMeans,
  refused?: string,
): Promise<{ token: string } | ProviderTry> {
  if (credential.provider === "webpush") return { token: await keys.vapidToken(credential, push.token) };
  const made = await keys.providerToken(credential, refused);
  if (made.ok) return made.value;
  const { name, detail = name } = made.error;
  return { outcome: { kind: name === "invalidValue" ? "credential" : "temporary", reason: detail } };
}

interface Asking {
  request: ProviderRequest;
  judge: (answer: ProviderAnswer) => PushOutcome;
}

async function askFor(
  credential: StoredPushCredential,
  push: PreparedPush,
  device: PushDevice,
  token: string,
  { settings, now }: TryMeans,
): Promise<Asking | ProviderTry> {
  const where = { settings, now: now() };
  if (device.provider === "apns")
    return { request: apnsRequest(push, device, token, where), judge: apnsOutcome };
  if (credential.provider === "fcm")
    return { request: fcmRequest(push, credential, token, where), judge: fcmOutcome };
  if (device.provider !== "webpush" || credential.provider !== "webpush")
    throw new Error("a credential of another provider");
  try {
    const request = await webPushRequest(push, device, credential, { token, now: where.now });
    return { request, judge: webPushOutcome };
  } catch {
    return { outcome: { kind: "dead", reason: "its keys are none" } };
  }
}
