import { DurableObject } from "cloudflare:workers";
import { writeCallRecord } from "../../core/calls/archive";
import {
  type CallData,
  isSameUser,
  type LogEntry,
  type Side,
  sideOf,
  takesPart,
  unseen,
} from "../../core/calls/call-data";
import { type CallEffect, type CallInput, newCall, nextDeadline, step } from "../../core/calls/machine";
import { archiveFor } from "../../core/db/database";
import { log } from "../../core/log";
import { Alarm } from "../../core/scheduler";
import { type CallFrame, type CallResult, fail, ok, type Result } from "../../protocol";
import type { Env } from "../env";
import { userHub } from "../names";
import type { Party, Ring } from "../user-hub/rpc";
import type { SessionRequest, SessionSync } from "./rpc";

/**
 * One call: the shell around {@link step}. It stores the call before it answers, tells both sides
 * what happened, and writes the record at the end. Hubs carry, this decides.
 *
 * Storage: the key `call` holds all of it, so a step is one written row.
 */
export class CallSession extends DurableObject<Env> {
  /** A test may set the time. */
  clock = (): number => Date.now();

  readonly #alarm = new Alarm(this.ctx.storage);
  #call: CallData | undefined = this.ctx.storage.kv.get<CallData>("call");
  /** The last seq handed to each side's hub since this object woke up. */
  #sent: Record<Side, number> = this.#sentBefore();
  readonly #sending: Record<Side, Promise<void> | null> = { caller: null, callee: null };
  #starting: Promise<Result<CallResult>> | null = null;
  /** Deliveries that failed, one after the other. */
  #failures = 0;

  /** Carries out an operation of a connection. Errors: notFound, conflict, unavailable. */
  async operate(request: SessionRequest): Promise<Result<CallResult>> {
    const { from, n, ack, op } = request;
    if (op.op === "start" && !this.#call && !this.#starting) {
      this.#starting = this.#start(request).finally(() => {
        this.#starting = null;
      });
      return this.#starting;
    }
    await this.#started();
    if (op.op === "start" && this.#isCaller(from)) return ok({ time: this.#call?.times.started ?? 0 });
    const input: CallInput = { type: "operation", from, connection: keyOf(from), n, ack, op };
    const applied = await this.#apply(input, keyOf(from));
    if (op.op === "answer" && applied.ok) this.#log("call.answered", { user: from.userId });
    return applied;
  }

  /** What a connection that came back, or a device that has just connected, has to know. */
  async sync(from: Party, ack: number): Promise<SessionSync> {
    await this.#started();
    const connection = keyOf(from);
    const call = this.#call;
    const side = call && sideOf(call, from, connection);
    const over = call?.state === "ended" || (side && !takesPart(call, side, connection));
    // A device that never knew of a call that is over, or that another one took, need not hear of it.
    if (!call || !side || (over && side === "callee" && ack === 0)) return { known: false, n: 0, frames: [] };
    const n = call.applied[connection] ?? 0;
    if (!takesPart(call, side, connection)) return { known: true, n, frames: [this.#takenElsewhere(call)] };
    if (side === "callee" && ack === 0) await this.#apply({ type: "offered" });
    await this.#apply({ type: "present", from, connection, ack });
    // After a crash of the server nobody tells us that the other side is gone.
    this.#probe(side === "caller" ? "callee" : "caller", "away");
    const frames = unseen(this.#required().logs[side], connection, ack).map((entry) =>
      this.#frame(entry, side),
    );
    return { known: true, n, frames };
  }

  /** Whether this user takes part in the call, as long as it is remembered. */
  async knows(applicationKey: string, userId: string): Promise<boolean> {
    const user = { applicationKey, userId };
    return (
      this.#call !== undefined && (isSameUser(this.#call.caller, user) || isSameUser(this.#call.callee, user))
    );
  }

  /** A connection has seen events up to `ack`. */
  async acknowledge(from: Party, ack: number): Promise<void> {
    await this.#apply({ type: "present", from, connection: keyOf(from), ack });
  }

  /** A connection of this call has lost its socket. */
  async away(from: Party): Promise<void> {
    await this.#started();
    await this.#apply({ type: "away", from, connection: keyOf(from) });
  }

  /** A connection of this call is gone for good. */
  async gone(from: Party): Promise<void> {
    await this.#started();
    await this.#apply({ type: "gone", from, connection: keyOf(from) });
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    if (this.#call) await this.#apply({ type: "time" });
  }

  // ---- steps ----------------------------------------------------------------------------------

  async #start(request: SessionRequest): Promise<Result<CallResult>> {
    const { from, callId, callee, op, reference } = request;
    if (op.op !== "start" || !callee) return fail("internal");
    const { applicationKey, userId } = from;
    const { call } = newCall(
      {
        callId,
        applicationKey,
        reference,
        caller: { applicationKey, userId, connection: keyOf(from) },
        callee,
        start: op,
      },
      this.clock(),
    );
    this.#call = call;
    this.#sent = { caller: 0, callee: 0 };
    this.#log("call.started", { user: userId, callee: callee.userId, video: call.video });
    // Offered before it is stored: the two take their time side by side, and one row is saved. Should
    // this object die in between, the device's next word finds no call and ends it there, and the
    // caller, who has no answer yet, starts it again.
    try {
      return await this.#apply(await this.#ring(), call.caller.connection);
    } catch (error) {
      this.#call = this.ctx.storage.kv.get<CallData>("call");
      throw error;
    }
  }

  /** One step, stored and told to both sides. `asker`: the connection that gets the result. */
  async #apply(input: CallInput, asker?: string): Promise<Result<CallResult>> {
    if (!this.#call) return fail("notFound");
    const before = this.#call;
    const { call, effects, result } = step(before, input, this.clock());
    if (!result.ok) return result;
    if (isWorthStoring(before, call) || input.type === "rung") this.ctx.storage.kv.put("call", call);
    this.#call = call;
    if (before.state !== "ended" && call.state === "ended") {
      this.#log("call.ended", { cause: call.cause, error: call.error?.errorCode });
    }
    const told = asker === undefined ? {} : this.#tellInResult(asker);
    const tidied = this.#tidyUp(effects, Promise.all([this.#tell("caller"), this.#tell("callee")]));
    if (this.#alarm.isSet) this.ctx.waitUntil(tidied);
    else await tidied;
    return ok({ time: this.clock(), ...told });
  }

  /**
   * What can wait until both sides have heard. The alarm can when one is set: should this object
   * die before, that one rings and finds what is due.
   */
  async #tidyUp(effects: CallEffect[], told: Promise<unknown>): Promise<void> {
    if (this.#alarm.isSet) await told;
    const forgetting = effects.some((effect) => effect.type === "forget");
    if (this.#call && !forgetting) await this.#alarm.by(nextDeadline(this.#call));
    for (const effect of effects) this.#perform(effect);
  }

  /**
   * What is new for nobody but the asker travels in its result, which saves a request to its hub.
   * Only what a later event may overtake without harm: that it is progressing, and that it is over.
   */
  #tellInResult(asker: string): Omit<CallResult, "time"> {
    const call = this.#required();
    const side = call.caller.connection === asker ? "caller" : "callee";
    const news = call.logs[side].entries.filter((entry) => entry.seq > this.#sent[side]);
    const [entry] = news;
    const forAsker = call[side].connection === asker && entry?.except === undefined;
    if (!entry || news.length > 1 || !forAsker || this.#sending[side]) return {};
    const { event } = entry;
    if (event.event !== "progressing" && event.event !== "ended") return {};
    this.#sent[side] = call.logs[side].last;
    if (event.event === "progressing") return { devices: event.devices };
    const { event: _, ...ended } = event;
    return { ended };
  }

  #perform(effect: CallEffect): void {
    switch (effect.type) {
      case "record":
        this.ctx.waitUntil(this.#record());
        return;
      case "forget":
        this.ctx.waitUntil(this.#forget());
        return;
      case "probe":
        this.#probe(effect.side, "away");
        return;
      case "confirmAway":
        this.#probe(effect.side, "absent");
        return;
      case "ring":
      case "push":
      case "cancelPush":
        // Rings are awaited where the call starts. No hub has push targets yet, so nothing is pushed.
        return;
    }
  }

  // ---- to the hubs ----------------------------------------------------------------------------

  async #ring(): Promise<Extract<CallInput, { type: "rung" }>> {
    const call = this.#required();
    const log_ = call.logs.callee;
    this.#sent.callee = log_.last;
    const ring: Ring = {
      user: call.callee,
      callId: call.callId,
      origin: this.#originFor(call.callee.applicationKey),
      until: call.times.started + call.ringFor,
      frames: log_.entries.map((entry) => ({ frame: this.#frame(entry, "callee") })),
      reference: call.reference,
    };
    const answer = await userHub(this.env, call.callee).ring(ring);
    return {
      type: "rung",
      devices: answer.available.length,
      pushTargets: 0,
      known: answer.known,
      blocked: answer.blocked,
    };
  }

  /** Hands a side's hub what is new for it, one delivery at a time, so that order is kept. */
  #tell(side: Side): Promise<void> | null {
    if (this.#sending[side] || this.#required().logs[side].last <= this.#sent[side])
      return this.#sending[side];
    const sending = this.#send(side).finally(() => {
      this.#sending[side] = null;
    });
    this.#sending[side] = sending;
    this.ctx.waitUntil(sending);
    return sending;
  }

  async #send(side: Side): Promise<void> {
    for (let attempt = 1; attempt <= 3; ) {
      const { entries, last } = this.#required().logs[side];
      const news = entries.filter((entry) => entry.seq > this.#sent[side]);
      if (last <= this.#sent[side]) return;
      try {
        await this.#deliver(side, news, "away");
        this.#sent[side] = last;
        this.#failures = 0;
        this.#forgetTold(side, last);
      } catch (error) {
        // The hub was restarted. What it did not take, it gets again; a client knows repetitions by their seq.
        this.#log("call.deliver.failed", { side, attempt, error: String(error) });
        attempt += 1;
      }
    }
    this.#failures += 1;
    await this.#alarm.by(this.clock() + Math.min(30_000, 500 * 2 ** this.#failures));
  }

  /** What the devices that did not get the call had to hear is said; should one come back, it is told anew. */
  #forgetTold(side: Side, last: number): void {
    const log = this.#required().logs[side];
    log.entries = log.entries.filter((entry) => entry.except === undefined || entry.seq > last);
  }

  /** `missing`: what it means for the call if the side's connection is not there. */
  async #deliver(side: Side, entries: LogEntry[], missing: "away" | "absent"): Promise<void> {
    const call = this.#required();
    const user = call[side];
    const { connected } = await userHub(this.env, user).deliver({
      user,
      frames: entries.map((entry) => ({
        frame: this.#frame(entry, side),
        to: side === "caller" ? call.caller.connection : entry.to,
        except: entry.except,
      })),
      reference: call.reference,
    });
    const {
      state,
      [side]: { connection },
    } = this.#required();
    if (!connection || state === "ended") return;
    if (!connected.includes(connection)) {
      await this.#apply(
        missing === "away" ? { type: "away", from: user, connection } : { type: "absent", side },
      );
    } else if (missing === "absent") {
      await this.#apply({ type: "present", from: user, connection, ack: 0 });
    }
  }

  #probe(side: Side, missing: "away" | "absent"): void {
    if (this.#required().state === "ended") return;
    // Should it fail, the deadline asks again.
    this.ctx.waitUntil(this.#deliver(side, [], missing).catch(() => {}));
  }

  // ---- the end --------------------------------------------------------------------------------

  async #record(): Promise<boolean> {
    const call = this.#required();
    try {
      await writeCallRecord(archiveFor(this.env, call.applicationKey), {
        applicationKey: call.applicationKey,
        callId: call.callId,
        callerUserId: call.caller.userId,
        calleeApplicationKey: call.callee.applicationKey,
        calleeUserId: call.callee.userId,
        video: call.video,
        times: call.times,
        endCause: call.cause,
        errorCode: call.error?.errorCode,
      });
      return true;
    } catch (error) {
      this.#log("call.record.failed", { error: String(error) });
      return false;
    }
  }

  async #forget(): Promise<void> {
    // Written a second time, which changes nothing when the first time went well.
    if (!(await this.#record())) {
      await this.#alarm.by(this.clock() + 60_000);
      return;
    }
    this.#call = undefined;
    await this.ctx.storage.deleteAll();
  }

  // ---- small things ---------------------------------------------------------------------------

  /**
   * After a crash nobody knows what was delivered, so a party gets again what it has not
   * acknowledged. Devices that only ring are offered the call by their hub when they connect.
   */
  #sentBefore(): Record<Side, number> {
    const call = this.#call;
    return { caller: 0, callee: call && !call.callee.connection ? call.logs.callee.last : 0 };
  }

  /** For a device that was away when another one answered. */
  #takenElsewhere(call: CallData): CallFrame {
    const times = { ...call.times, ended: call.times.answered };
    const event = { event: "ended", cause: "otherDeviceAnswered", times } as const;
    return this.#frame({ seq: call.logs.callee.last, event }, "callee");
  }

  async #started(): Promise<void> {
    // Should it fail, its own caller hears of it.
    await this.#starting?.catch(() => {});
  }

  #frame(entry: { seq: number; event: CallFrame["event"] }, side: Side): CallFrame {
    const call = this.#required();
    const origin = side === "callee" ? this.#originFor(call.callee.applicationKey) : undefined;
    return {
      type: "call",
      callId: call.callId,
      ...(origin && { origin }),
      seq: entry.seq,
      event: entry.event,
    };
  }

  #originFor(applicationKey: string): string | undefined {
    const own = this.#required().applicationKey;
    return own === applicationKey ? undefined : own;
  }

  #isCaller(from: Party): boolean {
    return this.#call !== undefined && sideOf(this.#call, from, keyOf(from)) === "caller";
  }

  #required(): CallData {
    if (!this.#call) throw new Error("no call");
    return this.#call;
  }

  #log(event: string, fields: Record<string, string | number | boolean | undefined> = {}): void {
    const { reference, callId, applicationKey } = this.#call ?? {};
    log("info", event, { reference, callId, application: applicationKey, ...fields });
  }
}

/** The key of a connection among those of its user. */
function keyOf(party: Party): string {
  return `${party.instanceId}/${party.connectionId}`;
}

/** An acknowledgement alone is no news: should it be lost, events are sent again and known by their seq. */
function isWorthStoring(before: CallData, after: CallData): boolean {
  return (
    before.logs.caller.last !== after.logs.caller.last ||
    before.logs.callee.last !== after.logs.callee.last ||
    before.state !== after.state ||
    before.flowing.caller !== after.flowing.caller ||
    before.flowing.callee !== after.flowing.callee ||
    JSON.stringify(before.deadlines) !== JSON.stringify(after.deadlines)
  );
}
