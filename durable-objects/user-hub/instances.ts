/** The installations of one user, and what a registration uses up. */
import type { Reader } from "../../core/messages/mailbox";
import { fail, ok, type PushDevice, type Result, serverLimits } from "../../protocol";
import type { InstanceInfo, NewInstance, RegistrationProof, UserAddress } from "./rpc";

interface Instance extends Omit<InstanceInfo, "connections" | "push"> {
  /** How Carillon wakes it, and since when. */
  device?: PushDevice;
  deviceSince?: number;
  /** What the app's own server needs to wake it, base64. */
  pushData?: string;
}

/** Times in milliseconds since 1970. */
interface DeadToken {
  token: string;
  registered?: number;
  since?: number;
}

/** An installation that can be woken. */
export interface Wakeable {
  instanceId: string;
  device?: PushDevice;
  /** When the device was registered, milliseconds since 1970. */
  registered: number;
  /** Push data, base64. */
  data?: string;
  /** It takes messages. */
  messages: boolean;
}

/** Storage keys: `instance:{id}`, `nonce:{nonce}`, `sequence`, `blocked`. */
export class Instances {
  // Asked for at every message.
  #user: UserAddress | undefined;
  #blocked: boolean | undefined;
  #readers: Reader[] | null = null;
  #wakeable = new Map<string, Wakeable>();
  /** When the first of the instances expires, milliseconds since 1970. */
  #readersUntil = 0;

  constructor(private readonly kv: SyncKvStorage) {}

  /** Everything stored is gone, but what a registration has used up: nobody shall use it again. */
  forget(used: ReturnType<Instances["usedUp"]>): void {
    this.#user = this.#blocked = undefined;
    this.#readers = null;
    for (const [key, value] of used) this.kv.put(key, value);
  }

  /** What registrations have used up, as it is stored. */
  usedUp(): [string, unknown][] {
    const sequence = this.kv.get("sequence");
    return [
      ...(sequence === undefined ? [] : [["sequence", sequence] as [string, unknown]]),
      ...this.kv.list({ prefix: "nonce:" }),
    ];
  }

  /** The installations that take messages. */
  readers(now: number): Reader[] {
    if (this.#readers && this.#readersUntil > now) return this.#readers;
    const all = this.#all(now);
    this.#readersUntil = Math.min(...all.map(({ expires = Number.POSITIVE_INFINITY }) => expires));
    this.#wakeable = new Map(
      all
        .filter(({ device, pushData }) => device || pushData !== undefined)
        .sort((one, other) => other.renewed - one.renewed)
        .map(({ instanceId, device, deviceSince = 0, pushData, noMessages }) => [
          instanceId,
          { instanceId, device, registered: deviceSince, data: pushData, messages: !noMessages },
        ]),
    );
    this.#readers = all.filter((one) => !one.noMessages).map(readerOf);
    return this.#readers;
  }

  /** The installations that can be woken by a push, the last one that was renewed first. */
  wakeable(now: number): ReadonlyMap<string, Wakeable> {
    this.readers(now);
    return this.#wakeable;
  }

  /** How an installation is woken; null: not at all. No other one of the user keeps its token. Errors: userBlocked, instanceRevoked. */
  setDevice(id: string, device: PushDevice | null, now: number): Result<null> {
    const instance = this.check(id, now);
    if (!instance.ok) return instance;
    const { device: former, deviceSince = 0, ...rest } = instance.value;
    if (!device && !former) return ok(null);
    for (const other of this.#all(now)) {
      const same =
        device && other.device && tokensOf(other.device).some((token) => tokensOf(device).includes(token));
      if (same && other.instanceId !== id) this.#put({ ...other, device: undefined });
    }
    // It names the registration, too.
    this.#put(device ? { ...rest, device, deviceSince: Math.max(now, deviceSince + 1) } : rest);
    return ok(null);
  }

  /** What the app's own server needs to wake an installation, base64; null: nothing any more. Errors: as before. */
  setData(id: string, pushData: string | null, now: number): Result<null> {
    const instance = this.check(id, now);
    if (!instance.ok) return instance;
    if ((instance.value.pushData ?? null) !== pushData)
      this.#put({ ...instance.value, pushData: pushData ?? undefined });
    return ok(null);
  }

  /**
   * A provider says that the token of a registration is dead, `since` then (milliseconds since 1970).
   * A device that has registered since keeps what it has. True when it was dropped.
   */
  dropToken(id: string, { token, registered, since }: DeadToken): boolean {
    const instance = this.kv.get<Instance>(`instance:${id}`);
    if (!instance?.device || !tokensOf(instance.device).includes(token)) return false;
    const { device, deviceSince = 0, ...rest } = instance;
    if (registered !== undefined && registered !== deviceSince) return false;
    if (since !== undefined && since < deviceSince) return false;
    const left = withoutToken(device, token);
    this.#put(left ? { ...rest, device: left, deviceSince } : rest);
    return true;
  }

  /** Whether a device of this user takes messages, or one that is still to come may. */
  takesMessages(now: number): boolean {
    return this.readers(now).length > 0 || this.all(now).length === 0;
  }

  /** An instance says whether it takes messages: written when that has changed. */
  setMessages(id: string, wanted: boolean, mailStart: number): void {
    const instance = this.kv.get<Instance>(`instance:${id}`);
    if (!instance || wanted !== (instance.noMessages === true)) return;
    const { noMessages: _, ...rest } = instance;
    // Messages that came while it took none are not for it.
    this.#put(wanted ? { ...rest, start: mailStart } : { ...rest, noMessages: true });
  }

  /** Whose they are; undefined for a user who never registered. */
  get user(): UserAddress | undefined {
    this.#user ??= this.kv.get<UserAddress>("user");
    return this.#user;
  }

  get known(): boolean {
    return this.user !== undefined;
  }

  get blocked(): boolean {
    this.#blocked ??= this.kv.get("blocked") === true;
    return this.#blocked;
  }

  belongTo(user: UserAddress): void {
    this.kv.put("user", user);
    this.#user = user;
  }

  setBlocked(blocked: boolean): void {
    if (blocked) this.kv.put("blocked", true);
    else this.kv.delete("blocked");
    this.#blocked = blocked;
  }

  /**
   * Adds an instance. The same device again takes the place of what it was before; above the limit
   * the one that is `idle` and was renewed longest ago has to go. Answers also whom that revoked.
   * Errors: userBlocked, replayed.
   */
  add(
    id: string,
    request: NewInstance,
    now: number,
    idle: (instanceId: string) => boolean,
    mailStart: (replaced: Reader[]) => number,
  ): Result<{ revoked: string[] }> {
    if (this.blocked) return fail("userBlocked");
    const proven = this.#use(request.proof, now);
    if (!proven.ok) return proven;

    const all = this.#all(now);
    const replaced = all.filter((one) => request.deviceId !== undefined && one.deviceId === request.deviceId);
    const surplus = all.length - replaced.length - serverLimits.instancesPerUser + 1;
    const oldest = all
      .filter((one) => !replaced.includes(one) && idle(one.instanceId))
      .sort((one, other) => one.renewed - other.renewed)
      .slice(0, Math.max(0, surplus));
    if (oldest.length < surplus)
      return fail("conflict", { detail: "too many instances of this user are online" });

    const revoked = [...replaced, ...oldest].map((one) => one.instanceId);
    for (const one of revoked) this.remove(one);
    if (!this.known) this.belongTo(request.user);
    const { deviceId, instanceExpires: expires } = request;
    const start = mailStart(replaced.filter((one) => !one.noMessages).map(readerOf));
    // It is the same app on the same device, until it says otherwise.
    const [{ device, deviceSince, pushData } = {} as Partial<Instance>] = replaced;
    const push = { ...(device && { device, deviceSince }), ...(pushData !== undefined && { pushData }) };
    this.#put({ instanceId: id, deviceId, created: now, renewed: now, expires, start, ...push });
    return ok({ revoked });
  }

  /** Errors: userBlocked, instanceRevoked. */
  check(id: string, now: number): Result<Instance> {
    if (this.blocked) return fail("userBlocked");
    const instance = this.kv.get<Instance>(`instance:${id}`);
    return instance && !(instance.expires && instance.expires <= now)
      ? ok(instance)
      : fail("instanceRevoked");
  }

  /** Notes that the instance has a new token. */
  renew(instance: Instance, now: number): void {
    this.#put({ ...instance, renewed: now });
  }

  remove(id: string): boolean {
    this.#readers = null;
    return this.kv.delete(`instance:${id}`);
  }

  /** Those that have not expired, without what pushes need: a token is nobody else's business. */
  all(now: number): Omit<InstanceInfo, "connections">[] {
    return this.#all(now).map(({ device, deviceSince: _, pushData, ...info }) => {
      const push: InstanceInfo["push"] = [
        ...(device ? [device.provider] : []),
        ...(pushData === undefined ? [] : (["data"] as const)),
      ];
      return { ...info, ...(push.length > 0 && { push }) };
    });
  }

  /** Those that have not expired; what has, is cleared away. */
  #all(now: number): Instance[] {
    const all = [...this.kv.list<Instance>({ prefix: "instance:" })].map(([, instance]) => instance);
    const expired = all.filter((one) => one.expires !== undefined && one.expires <= now);
    for (const one of expired) this.remove(one.instanceId);
    return all.filter((one) => !expired.includes(one));
  }

  #put(instance: Instance): void {
    this.kv.put(`instance:${instance.instanceId}`, instance);
    this.#readers = null;
  }

  #use(proof: RegistrationProof, now: number): Result<null> {
    if (proof.kind === "sequence") {
      const last = this.kv.get<string>("sequence");
      if (last !== undefined && BigInt(proof.sequence) <= BigInt(last)) return fail("replayed");
      this.kv.put("sequence", proof.sequence);
      return ok(null);
    }
    for (const [key, expires] of [...this.kv.list<number>({ prefix: "nonce:" })]) {
      if (expires <= now) this.kv.delete(key);
    }
    const key = `nonce:${proof.nonce}`;
    if (this.kv.get(key) !== undefined) return fail("replayed");
    this.kv.put(key, proof.expires);
    return ok(null);
  }
}

function readerOf({ instanceId, start = 0 }: Instance): Reader {
  return { instanceId, start };
}

/** What names a device to its provider. */
function tokensOf(device: PushDevice): string[] {
  if (device.provider === "fcm") return [device.token];
  if (device.provider === "webpush") return [device.endpoint];
  return [device.voipToken, device.alertToken].filter((token) => token !== undefined);
}

/** An iPhone has two tokens, and one can die alone. */
function withoutToken(device: PushDevice, token: string): PushDevice | undefined {
  if (device.provider !== "apns") return undefined;
  const { voipToken, alertToken, ...rest } = device;
  const left = {
    ...(voipToken !== undefined && voipToken !== token && { voipToken }),
    ...(alertToken !== undefined && alertToken !== token && { alertToken }),
  };
  return Object.keys(left).length > 0 ? { ...rest, ...left } : undefined;
}
