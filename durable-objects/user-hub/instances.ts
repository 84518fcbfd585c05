/** The installations of one user, and what a registration uses up. */
import type { Reader } from "../../core/messages/mailbox";
import { fail, ok, type Result, serverLimits } from "../../protocol";
import type { InstanceInfo, NewInstance, RegistrationProof, UserAddress } from "./rpc";

type Instance = Omit<InstanceInfo, "connections">;

/** Storage keys: `instance:{id}`, `nonce:{nonce}`, `sequence`, `blocked`. */
export class Instances {
  // Asked for at every message.
  #user: UserAddress | undefined;
  #blocked: boolean | undefined;
  #readers: Reader[] | null = null;
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
    if (!this.#readers || this.#readersUntil <= now) {
      const all = this.all(now);
      this.#readersUntil = Math.min(...all.map(({ expires = Number.POSITIVE_INFINITY }) => expires));
      this.#readers = all.filter((one) => !one.noMessages).map(readerOf);
    }
    return this.#readers;
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
    const changed: Instance = wanted ? { ...rest, start: mailStart } : { ...rest, noMessages: true };
    this.kv.put(`instance:${id}`, changed);
    this.#readers = null;
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

    const all = this.all(now);
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
    const instance = { instanceId: id, deviceId, created: now, renewed: now, expires, start };
    this.kv.put(`instance:${id}`, instance satisfies Instance);
    this.#readers = null;
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
    this.kv.put(`instance:${instance.instanceId}`, { ...instance, renewed: now });
  }

  remove(id: string): boolean {
    this.#readers = null;
    return this.kv.delete(`instance:${id}`);
  }

  /** Those that have not expired; what has, is cleared away. */
  all(now: number): Instance[] {
    const all = [...this.kv.list<Instance>({ prefix: "instance:" })].map(([, instance]) => instance);
    const expired = all.filter((one) => one.expires !== undefined && one.expires <= now);
    for (const one of expired) this.remove(one.instanceId);
    return all.filter((one) => !expired.includes(one));
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
