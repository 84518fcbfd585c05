/** One attempt to push to one device: with another credential or token at once, where that may do. */
import type { StoredPushCredential } from "../../core/push/credential-store";
import { declineKey } from "../../core/push/decline-key";
import { type FcmRefusal, fcmVerdict } from "../../core/push/fcm";
import type { PushOutcome } from "../../core/push/outcome";
import { type PreparedPush, preparePush } from "../../core/push/prepared-push";
import { fittingPushCredentials } from "../../core/push/select-credential";
import { within } from "../../core/within";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushQuestion, PushTarget } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import type { PushDevice } from "../../protocol";
import { hasTime, type ProviderTry, type TryMeans, tryWith } from "./provider-try";
import type { PushKeys } from "./push-keys";

/** As the queue has it. */
export type PushJob = LaterPush;

export interface AttemptMeans extends TryMeans {
  masterKey: string;
  keys: TryMeans["keys"] & Pick<PushKeys, "credentials">;
  /** The target as it is now, or null: nobody wants the push any more. */
  wanted: (user: UserAddress, question: PushQuestion) => Promise<PushTarget | null>;
  /** What is begun later than this is asked for first: a cancel may have overtaken it, the user logged out. */
  askAfter: number;
}

export interface Attempted {
  job: PushJob;
  /** As it was pushed to. */
  target: PushTarget;
  /** Missing: the device cannot be woken by it, or nobody wants it any more. */
  push?: PreparedPush;
  /** Missing: no attempt was made, because there was no time left (`push` is there) or it is pointless. */
  outcome?: PushOutcome;
  /** Of an outcome of that kind: the project, the key's id, or the public key, of each that was tried. */
  credentials?: string[];
  /** Whether it is wanted could not be told, and so it was not tried. */
  unasked?: string;
  /** Milliseconds that it took. */
  ms: number;
}

const questionMs = 3_000;
/** Of an application, for a device that does not say which one it is of. */
const projectsMax = 3;

/** Attempts it. Never throws. */
export async function attemptPush(job: PushJob, means: AttemptMeans): Promise<Attempted> {
  const began = means.now();
  const about = (target: PushTarget) => ({ job, target, ms: means.now() - began });
  let target: PushTarget | null = job.target;
  try {
    // What has no time left goes to the queue, where it is asked for.
    if (began > means.askAfter && hasTime(job.batch.content, means)) target = await wanted(job, means);
  } catch (error) {
    return { ...about(job.target), unasked: String(error) };
  }
  if (!target) return about(job.target);
  let push: PreparedPush | null = null;
  try {
    push = await prepared(job.batch, target, means.masterKey);
    // That a call is over is said also when it has just stopped ringing.
    if (!push || (push.content.type !== "cancel" && push.expires <= began)) return about(target);
    const tried = await tryAll(push, job.batch, target.device, means);
    return { ...about(target), push, ...tried };
  } catch (error) {
    // What can be prepared may be sent later: D1 or an object did not answer.
    const reason = String(error);
    if (push) return { ...about(target), push, outcome: { kind: "temporary", reason } };
    return { ...about(target), outcome: { kind: "fault", reason } };
  }
}

function wanted({ batch, target }: PushJob, means: AttemptMeans): Promise<PushTarget | null> {
  const { user, push, content } = batch;
  return within(questionMs, means.wanted(user, { push, content, instanceId: target.instanceId }));
}

async function prepared(
  { user, content }: PushJob["batch"],
  { device }: PushTarget,
  masterKey: string,
): Promise<PreparedPush | null> {
  if (content.type !== "call") return preparePush(content, device, user);
  const { callId, origin } = content;
  const key = await declineKey(masterKey, { ...user, callId, origin });
  return preparePush(content, device, { ...user, declineKey: key });
}

/** With each credential that may do: those in memory, and then those that have taken their place. */
async function tryAll(
  push: PreparedPush,
  { application, user }: PushJob["batch"],
  device: PushDevice,
  means: AttemptMeans,
): Promise<Pick<Attempted, "outcome" | "credentials">> {
  const tries = new Map<string, Refused>();
  let verdict = verdictOf(device, [], false);
  for (const fresh of [false, true]) {
    const fitting = fittingPushCredentials(device, await means.keys.credentials(application, fresh));
    const candidates = fitting.slice(0, device.provider === "fcm" ? projectsMax : 1);
    for (const credential of candidates) {
      const before = tries.get(credential.id);
      if (before && !hasOtherToken(before.outcome)) continue;
      const made = await tryWith(credential, push, device, means, before);
      if (!made) return outOfTime([...tries.values()]);
      const { outcome, token } = made;
      if (!isOfCredential(outcome)) return { outcome };
      tries.set(credential.id, { outcome, token, name: nameOf(credential) });
    }
    // Another application's projects may not be those of the user's device.
    const isOwn = application === user.applicationKey;
    const isAll = fresh && isOwn && fitting.every(({ id }) => tries.has(id));
    verdict = verdictOf(device, [...tries.values()], isAll);
    if (verdict.outcome.kind === "dead") break;
  }
  return verdict;
}

/** A credential that did not do, or a device that it cannot reach. */
interface Refused extends ProviderTry {
  outcome: FcmRefusal;
  name: string;
}

function isOfCredential(outcome: PushOutcome): outcome is FcmRefusal {
  return outcome.kind === "credential" || (outcome.kind === "dead" && outcome.ofProject === true);
}

function hasOtherToken(outcome: PushOutcome): boolean {
  return outcome.kind === "credential" && outcome.token === true;
}

function verdictOf(
  device: PushDevice,
  tries: readonly Refused[],
  isAll: boolean,
): { outcome: FcmRefusal; credentials: string[] } {
  const last = tries.at(-1);
  if (!last) {
    const reason = "there is none for this device";
    return { outcome: { kind: "credential", reason, missing: true }, credentials: [] };
  }
  const ofProject = { named: device.provider === "fcm" && device.projectId !== undefined, all: isAll };
  const outcomes = tries.map((one) => one.outcome);
  const outcome = device.provider === "fcm" ? fcmVerdict(outcomes, ofProject) : last.outcome;
  const own = tries.filter((one) => one.outcome === outcome);
  return { outcome, credentials: (own.length > 0 ? own : tries).map(({ name }) => name) };
}

/** It is an attempt where the provider was asked: it is not to be made over and over again. */
function outOfTime(tries: readonly Refused[]): Pick<Attempted, "outcome" | "credentials"> {
  const refused = tries.find(({ outcome }) => outcome.kind === "credential" && !outcome.missing);
  if (refused) return { outcome: refused.outcome, credentials: [refused.name] };
  return tries.length > 0 ? { outcome: { kind: "temporary", reason: "no time for another project" } } : {};
}

/** As the list of credentials shows it. */
function nameOf(credential: StoredPushCredential): string {
  switch (credential.provider) {
    case "apns":
      return credential.keyId;
    case "fcm":
      return credential.projectId;
    case "webpush":
      return credential.publicKey;
  }
}
