import { DurableObject } from "cloudflare:workers";
import { costOfCall } from "../../core/calls/billing";
import { type CallData, isSameUser, isWorthStoring, sideOf, takesPart } from "../../core/calls/call-data";
import { unseen } from "../../core/calls/call-log";
import { roomSide } from "../../core/calls/conference";
import type { CallEffect, CallInput } from "../../core/calls/inputs";
import type { LineNews } from "../../core/calls/line";
import { newCall, nextDeadline, step } from "../../core/calls/machine";
import type { RoomWords } from "../../core/conferences/words";
import { log } from "../../core/log";
import { Alarm } from "../../core/scheduler";
import { type CallResult, errorBody, fail, ok, type Result, serverLimits } from "../../protocol";
import type { Env } from "../env";
import { conferenceRoom } from "../names";
import type { Party, UserAddress } from "../user-hub/rpc";
import { Deliveries, frameOf, takenElsewhere } from "./deliveries";
import { dialLine, fundCall, prepareLine } from "./line";
import { recordCall } from "./record";
import { type LineParty, type RoomParty, roomInstance, type SessionRequest, type SessionSync } from "./rpc";

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
  readonly #deliveries = new Deliveries(this.#call, {
    env: this.env,
    call: () => this.#required(),
    found: (input) => this.#apply(input),
    store: () => this.ctx.storage.kv.put("call", this.#required()),
    again: (delay) => this.#alarm.by(this.clock() + delay),
    wait: (work) => this.ctx.waitUntil(work),
    log: (event, fields) => this.#log(event, fields),
  });
  #starting: Promise<Result<CallResult>> | null = null;

  /** Carries out an operation of a connection. Errors: notFound, conflict, unavailable. */
  async operate(request: SessionRequest): Promise<Result<CallResult>> {
    const { from, n, ack, op } = request;
    // A call to a line that a crash has kept from being dialled is dialled now: nothing of it happens twice.
    if (op.op === "start" && (!this.#call || this.#isUndialled(request)) && !this.#starting) {
      const starting =
        request.callee?.line === "conference"
          ? this.#join(request)
          : request.callee?.line
            ? this.#startLine(request)
            : this.#start(request);
      this.#starting = starting.finally(() => {
        this.#starting = null;
      });
      return this.#starting;
    }
    await this.#started();
    if (op.op === "start" && this.#isCaller(from)) {
      // What it brought about may have been lost with the answer to the first one.
      this.ctx.waitUntil(this.#deliveries.tell());
      // A room that has forgotten the call, and makes it again, hears of an end that it has confirmed.
      return ok({ time: this.#call?.times.started ?? 0, ...("line" in from && this.#endFor(from)) });
    }
    const input: CallInput = { type: "operation", from, connection: keyOf(from), n, ack, op };
    const applied = await this.#apply(input, keyOf(from));
    if (op.op === "answer" && applied.ok) this.#log("call.answered", { user: from.userId });
    // How it ended may have been told to somebody who was hanging up, and did not listen any more.
    return op.op === "hangup" && applied.ok ? ok({ ...this.#endFor(from), ...applied.value }) : applied;
  }

  #endFor(from: Party): Pick<CallResult, "ended"> {
    const call = this.#call;
    const side = call?.state === "ended" && sideOf(call, from, keyOf(from));
    if (!call || !side || !takesPart(call, side, keyOf(from))) return {};
    const { cause, times, error } = call;
    const cost = costOfCall(call);
    return { ended: { cause, times, error, ...(cost && { cost }) } };
  }

  /** What a connection that came back, or a device that has just connected, has to know. */
  async sync(from: Party, ack: number): Promise<SessionSync> {
    await this.#started();
    const connection = keyOf(from);
    const call = this.#call;
    const side = call && sideOf(call, from, connection);
    const over = call?.state === "ended" || (side && !takesPart(call, side, connection));
    // A device that never knew of a call that is over, or that another one took, need not hear of it.
    if (!call || !side) return { known: false, n: 0, frames: [] };
    if (over && side === "callee" && ack === 0) {
      // One that a push has woken wants to know why.
      const cause = call.state === "ended" ? call.cause : "otherDeviceAnswered";
      return { known: false, n: 0, frames: [], cause };
    }
    const n = call.applied[connection] ?? 0;
    if (!takesPart(call, side, connection)) return { known: true, n, frames: [takenElsewhere(call)] };
    if (side === "callee" && ack === 0) await this.#apply({ type: "offered" });
    await this.#apply({ type: "present", from, connection, ack });
    // After a crash of the server nobody tells us that the other side is gone.
    this.#deliveries.probe(side === "caller" ? "callee" : "caller", "away");
    const frames = unseen(this.#required().logs[side], connection, ack).map((entry) =>
      frameOf(call, entry, side),
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

  /** The callee's hub has found out that no push reaches a device. */
  async unreachable(): Promise<void> {
    await this.#started();
    await this.#apply({ type: "unreachable" });
  }

  /** Nobody has answered yet, and it is not over. */
  async isRinging(): Promise<boolean> {
    await this.#started();
    return this.#call !== undefined && this.#call.state !== "ended" && !this.#call.callee.connection;
  }

  /** There is a call, and it has not ended. */
  async isOn(): Promise<boolean> {
    await this.#started();
    return this.#call !== undefined && this.#call.state !== "ended";
  }

  /** A device of the callee that is not connected declines. Errors: notFound, conflict. */
  async decline(from: UserAddress): Promise<Result<null>> {
    await this.#started();
    const applied = await this.#apply({ type: "declined", from });
    return applied.ok ? ok(null) : applied;
  }

  /** What has become of the leg to a phone or a SIP address. Errors: notFound, conflict (the call is over). */
  async line(from: LineParty, news: LineNews): Promise<Result<null>> {
    // Not while it starts, which waits for the leg: it was stored before that was dialled.
    if (!this.#call) await this.#started();
    const applied = await this.#apply({ type: "line", from, connection: keyOf(from), news });
    if (news.news === "answered" && applied.ok) this.#log("call.answered", { line: from.line });
    return applied.ok ? ok(null) : applied;
  }

  /**
   * A conference speaks, for its participant or as the one who has called. Answers the last word that was
   * applied: what is above it was not, because words between were missing. Errors: notFound, conflict (over).
   */
  async hear(from: RoomParty, said: RoomWords): Promise<Result<{ n: number }>> {
    await this.#started();
    const applied = await this.#apply({ type: "room", from, connection: keyOf(from), said });
    return applied.ok ? ok({ n: this.#call?.applied[keyOf(from)] ?? 0 }) : applied;
  }

  /** It holds credit, and settles that by itself. */
  async bills(): Promise<boolean> {
    await this.#started();
    if (!this.#call?.bill) return false;
    // A crash between a step and its alarm: nothing else would wake this object again.
    await this.#alarm.by(this.#nextAlarm(this.#call));
    return true;
  }

  override async alarm(): Promise<void> {
    this.#alarm.rang();
    if (this.#call) await this.#apply({ type: "time" });
  }

  // ---- steps ----------------------------------------------------------------------------------

  async #start(request: SessionRequest): Promise<Result<CallResult>> {
    const call = this.#begin(request);
    if (!call) return fail("internal");
    // Offered before it is stored: the two take their time side by side, and one row is saved. Should
    // this object die in between, the device's next word finds no call and ends it there, and the
    // caller, who has no answer yet, starts it again.
    try {
      return await this.#apply(await this.#deliveries.ring(), call.caller.connection);
    } catch (error) {
      this.#call = this.ctx.storage.kv.get<CallData>("call");
      throw error;
    }
  }

  /** The start of a call to a line, again: nothing has answered to its dialling yet. */
  #isUndialled({ from, callee }: SessionRequest): boolean {
    const call = this.#call;
    const same = call?.callee.line && callee && isSameUser(call.callee, callee);
    return !!same && call.state === "initiating" && this.#isCaller(from);
  }

  #begin({ from, callId, callee, op, reference }: SessionRequest): CallData | undefined {
    if (op.op !== "start" || !callee) return undefined;
    const { applicationKey, userId } = from;
    const line = "line" in from ? from.line : undefined;
    const caller = { applicationKey, userId, ...(line && { line }), connection: keyOf(from) };
    const { call } = newCall({ callId, applicationKey, reference, caller, callee, start: op }, this.clock());
    this.#call = call;
    this.#deliveries.begin();
    this.#log("call.started", {
      user: userId,
      ...(callee.line ? { line: callee.line } : { callee: callee.userId }),
      video: call.video,
    });
    return call;
  }

  /**
   * To a phone or a SIP address. Reserved, then stored, then dialled, and each of these may be done
   * again: so a crash in between costs nobody anything, and the caller, who has no answer yet, tries again.
   */
  async #startLine(request: SessionRequest): Promise<Result<CallResult>> {
    const { op } = request;
    const call = this.#call ?? this.#begin(request);
    if (!call || op.op !== "start") return fail("internal");
    const ready = await prepareLine(this.env, call, this.clock()).catch((error: unknown) => {
      this.#log("call.prepare.failed", { error: String(error) });
      return fail("unavailable");
    });
    if (!ready.ok) return this.#apply({ type: "refused", error: ready.error }, call.caller.connection);
    const { bill, trunks } = ready.value;
    const applied = await this.#apply({ type: "lineReady", bill }, call.caller.connection);
    if (trunks.length === 0 || this.#call?.state === "ended") return applied;
    try {
      await dialLine(this.env, this.#required(), op, trunks);
      return applied;
    } catch (error) {
      this.#log("call.dial.failed", { error: String(error) });
      return this.#apply({ type: "refused", error: errorBody("unavailable") }, call.caller.connection);
    }
  }

  /** Stored, then joined, and both may be done again: a crash in between leaves a call that ends by itself. */
  async #join(request: SessionRequest): Promise<Result<CallResult>> {
    const { op } = request;
    const call = this.#call ?? this.#begin(request);
    if (!call || op.op !== "start") return fail("internal");
    const { applicationKey, callId, reference, caller } = call;
    const asker = caller.connection;
    const ready = await this.#apply({ type: "lineReady" }, asker);
    if (this.#call?.state === "ended") return ready;
    const room = { applicationKey, conferenceId: call.callee.userId };
    const user = { applicationKey, userId: caller.userId };
    const { displayName, video } = op;
    const joined = await conferenceRoom(this.env, room)
      .join({ ...room, callId, user, displayName, video, reference })
      .catch((error: unknown) => {
        this.#log("call.join.failed", { error: String(error) });
        return fail("unavailable");
      });
    if (!joined.ok) return this.#apply({ type: "refused", error: joined.error }, asker);
    const connection = `${roomInstance}/${callId}`;
    const applied = await this.#apply(
      { type: "room", from: call.callee, connection, said: joined.value },
      asker,
    );
    // It took too long, and is over: the room finds out when it says something.
    return applied.ok ? applied : ok({ time: this.clock(), ...this.#endFor(request.from) });
  }

  /** One step, stored and told to both sides. `asker`: the connection that gets the result. */
  async #apply(input: CallInput, asker?: string): Promise<Result<CallResult>> {
    if (!this.#call) return fail("notFound");
    const before = this.#call;
    const { call, effects, result } = step(before, input, this.clock());
    if (!result.ok) return result;
    const isNew = input.type === "rung" || input.type === "lineReady" || input.type === "refused";
    if (isNew || isWorthStoring(before, call)) this.ctx.storage.kv.put("call", call);
    this.#call = call;
    if (before.state !== "ended" && call.state === "ended") {
      this.#log("call.ended", { cause: call.cause, error: call.error?.errorCode });
    }
    const told = asker === undefined ? {} : this.#deliveries.tellInResult(asker);
    const tidied = this.#tidyUp(effects, this.#deliveries.tell());
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
    if (this.#call && !forgetting) await this.#alarm.by(this.#nextAlarm(this.#call));
    for (const effect of effects) this.#perform(effect);
    // Within the alarm, which the platform repeats when this object dies over it.
    if (forgetting) await this.#forget();
  }

  /**
   * A call that rings has its first alarm no later than an answer would want one at the earliest: it
   * then serves both, and the answer writes no row for another.
   */
  #nextAlarm(call: CallData): number | null {
    const deadline = nextDeadline(call);
    const early = call.times.started + serverLimits.connectSeconds * 1_000;
    const ringing = call.deadlines.ring !== undefined && early > this.clock();
    return deadline !== null && ringing ? Math.min(deadline, early) : deadline;
  }

  #perform(effect: CallEffect): void {
    switch (effect.type) {
      case "record":
        this.ctx.waitUntil(this.#record());
        return;
      case "fund":
        this.ctx.waitUntil(this.#fund());
        return;
      case "probe":
        this.#deliveries.probe(effect.side, "away");
        return;
      case "confirmAway":
        this.#deliveries.probe(effect.side, "absent");
        return;
      case "ring":
      case "forget":
        // Awaited where the call starts, and where it is forgotten.
        return;
    }
  }

  async #fund(): Promise<void> {
    const funded = await fundCall(this.env.DB, this.#required(), this.clock());
    if (this.#call) await this.#apply(funded);
  }

  // ---- the end --------------------------------------------------------------------------------

  async #record(): Promise<boolean> {
    try {
      await recordCall(this.env, this.#required(), this.clock());
      return true;
    } catch (error) {
      this.#log("call.record.failed", { error: String(error) });
      return false;
    }
  }

  async #forget(): Promise<void> {
    const side = this.#call && roomSide(this.#call);
    // A conference that has not heard of the end keeps the seat.
    if (side) await this.#deliveries.tell();
    // Written a second time, which changes nothing when the first time went well.
    if (!(await this.#record()) || (side && !this.#deliveries.isTold(side))) {
      await this.#alarm.by(this.clock() + 60_000);
      return;
    }
    this.#call = undefined;
    await this.ctx.storage.deleteAll();
  }

  // ---- small things ---------------------------------------------------------------------------

  async #started(): Promise<void> {
    // Should it fail, its own caller hears of it.
    await this.#starting?.catch(() => {});
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
