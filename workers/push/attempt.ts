/** One attempt to push to one device, with a second one at once where another key may do. */
import { apnsOutcome, apnsRequest } from "../../core/push/apns";
import type { StoredPushCredential } from "../../core/push/credential-store";
import { declineKey } from "../../core/push/decline-key";
import { fcmOutcome, fcmRequest } from "../../core/push/fcm";
import type { PushOutcome } from "../../core/push/outcome";
import { type ProviderAnswer, type ProviderRequest, post } from "../../core/push/post";
import { type PreparedPush, preparePush } from "../../core/push/prepared-push";
import { selectPushCredential } from "../../core/push/select-credential";
import type { PushSettings } from "../../core/push/settings";
import { webPushOutcome, webPushRequest } from "../../core/push/web-push";
import { isPushEndpoint } from "../../core/push/web-push-endpoint";
import type { PushBatch, PushTarget } from "../../durable-objects/user-hub/push-rpc";
import type { PushDevice } from "../../protocol";
import type { PushKeys } from "./push-keys";

export interface PushJob {
  batch: Omit<PushBatch, "devices">;
  target: PushTarget;
  /** Attempts that have been made before. */
  attempt: number;
}

export interface AttemptMeans {
  settings: PushSettings;
  masterKey: string;
  keys: Pick<PushKeys, "credentials" | "providerToken" | "vapidToken">;
  fetch: typeof fetch;
  /** Milliseconds since 1970. */
  now: () => number;
  /** No attempt is begun that may take longer than until then. */
  until: number;
}

export interface Attempted {
  job: PushJob;
  /** Missing: the device cannot be woken by it. */
  push?: PreparedPush;
  /** Missing: no attempt was made, because there was no time left (`push` is there) or it is pointless. */
  outcome?: PushOutcome;
  /** Milliseconds that it took. */
  ms: number;
}

const timeoutMs = { call: 5_000, cancel: 5_000, message: 10_000 };

/** Attempts it. Never throws. */
export async function attemptPush(job: PushJob, means: AttemptMeans): Promise<Attempted> {
  const began = means.now();
  const taken = () => means.now() - began;
  let push: PreparedPush | null = null;
  try {
    push = await prepared(job, means.masterKey);
    // That a call is over is said also when it has just stopped ringing.
    if (!push || (push.content.type !== "cancel" && push.expires <= began)) return { job, ms: taken() };
    const outcome = await tried(push, job, means);
    return { job, push, outcome, ms: taken() };
  } catch (error) {
    // What can be prepared may be sent later: D1 or an object did not answer.
    const reason = String(error);
    if (push) return { job, push, outcome: { kind: "temporary", reason }, ms: taken() };
    return { job, outcome: { kind: "fault", reason }, ms: taken() };
  }
}

async function prepared({ batch, target }: PushJob, masterKey: string): Promise<PreparedPush | null> {
  const { user, content } = batch;
  if (content.type !== "call") return preparePush(content, target.device, user);
  const { callId, origin } = content;
  const key = await declineKey(masterKey, { ...user, callId, origin });
  return preparePush(content, target.device, { ...user, declineKey: key });
}

async function tried(
  push: PreparedPush,
  { batch, target: { device } }: PushJob,
  means: AttemptMeans,
): Promise<PushOutcome | undefined> {
  const known = await credentialFor(device, batch.application, means, false);
  const first = await tryWith(known, push, device, means);
  if (first?.outcome.kind !== "credential") return first?.outcome;
  // What is in memory may have been replaced.
  const current = await credentialFor(device, batch.application, means, true);
  const isSame = current?.id === known?.id;
  if (!current || (isSame && !first.outcome.token)) return first.outcome;
  const second = await tryWith(current, push, device, means, isSame ? first.token : undefined);
  return second?.outcome ?? first.outcome;
}

async function credentialFor(
  device: PushDevice,
  application: string,
  { keys }: AttemptMeans,
  fresh: boolean,
): Promise<StoredPushCredential | undefined> {
  return selectPushCredential(device, await keys.credentials(application, fresh));
}

/** `token`: what was shown to the provider. */
interface Try {
  outcome: PushOutcome;
  token?: string;
}

/** Undefined: no time is left for it, or (after `refused`) there is no other token. */
async function tryWith(
  credential: StoredPushCredential | undefined,
  push: PreparedPush,
  device: PushDevice,
  means: AttemptMeans,
  refused?: string,
): Promise<Try | undefined> {
  if (!credential) return { outcome: { kind: "credential", reason: "there is none for this device" } };
  if (device.provider === "webpush" && !isPushEndpoint(device.endpoint, means.settings.WEB_PUSH_HOSTS))
    return { outcome: { kind: "fault", reason: "the endpoint is on no known push service" } };
  const shown = await tokenFor(credential, push, means, refused);
  if ("outcome" in shown) return shown;
  const { token } = shown;
  const patience = timeoutMs[push.content.type];
  if (token === refused || means.now() + patience > means.until) return undefined;
  const asking = await askFor(credential, push, device, token, means);
  if ("outcome" in asking) return asking;
  const answer = await post(asking.request, { fetch: means.fetch, now: means.now, timeoutMs: patience });
  return { outcome: "kind" in answer ? answer : asking.judge(answer), token };
}

async function tokenFor(
  credential: StoredPushCredential,
  push: PreparedPush,
  { keys }: AttemptMeans,
  refused?: string,
): Promise<{ token: string } | Try> {
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
  { settings, now }: AttemptMeans,
): Promise<Asking | Try> {
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
