/**
 * The life of a call, as a pure function: {@link step} takes the call, something that happened and
 * the time, and gives the call afterwards and what is to be done outside.
 *
 * Source of the rules: SPEC section 3.
 */
import {
  type CallEvent,
  type CallOperation,
  type EndCause,
  type ErrorBody,
  errorBody,
  fail,
  ok,
  type Progress,
  type PushPair,
  type Result,
  serverLimits,
} from "../../protocol";
import { type CallData, type CallUser, isSameUser, type Side, sideOf, takesPart } from "./call-data";
import { acknowledge, isOverfull, tell } from "./call-log";

export type CallInput =
  /** The callee's hub has offered the call to `devices` connections and wakes others by push. */
  | {
      type: "rung";
      devices: number;
      /** Devices that are being woken. */
      pushed: number;
      pushPairs?: PushPair[];
      headersOmitted?: boolean;
      known: boolean;
      blocked: boolean;
    }
  /** No push has reached a device. */
  | { type: "unreachable" }
  /** A device of the callee that was woken and is not connected declines. */
  | { type: "declined"; from: CallUser }
  | { type: "operation"; from: CallUser; connection: string; n: number; ack: number; op: CallOperation }
  /** A connection is back, or shows that it is there, and has seen events up to `ack`. */
  | { type: "present"; from: CallUser; connection: string; ack: number }
  /** A device that has just connected is offered the call. */
  | { type: "offered" }
  /** A side that has been away for too long really has no connection. */
  | { type: "absent"; side: Side }
  /** A connection has lost its socket. */
  | { type: "away"; from: CallUser; connection: string }
  /** A connection is gone for good. */
  | { type: "gone"; from: CallUser; connection: string }
  /** Time has passed. */
  | { type: "time" };

export type CallEffect =
  /** Offer the call to the callee's devices, now and as they connect. */
  | { type: "ring" }
  /** See whether this side's connection is still there; if not, it is away. */
  | { type: "probe"; side: Side }
  /** See whether it is really gone, before the call ends over it: then it is absent. */
  | { type: "confirmAway"; side: Side }
  /** The call is over: write its record. */
  | { type: "record" }
  /** Nothing more will come: forget the call, once its record is written. */
  | { type: "forget" };

export interface Step {
  call: CallData;
  effects: CallEffect[];
  /** The answer to an operation. */
  result: Result<null>;
}

/** What starts a call. */
export interface NewCall {
  callId: string;
  applicationKey: string;
  reference: string;
  caller: CallUser & { connection: string };
  callee: CallUser;
  start: Extract<CallOperation, { op: "start" }>;
}

/** A new call, not yet offered to anybody, and the effect that offers it. */
export function newCall(input: NewCall, now: number): Step {
  const { start } = input;
  const ringFor = 1_000 * (start.ringSeconds ?? serverLimits.ringSeconds);
  const call: CallData = {
    callId: input.callId,
    applicationKey: input.applicationKey,
    reference: input.reference,
    caller: input.caller,
    callee: { ...input.callee },
    video: start.video,
    state: "initiating",
    cause: "none",
    times: { started: now },
    ringFor,
    flowing: { caller: false, callee: false },
    logs: { caller: { last: 0, entries: [] }, callee: { last: 0, entries: [] } },
    offered: 0,
    applied: { [input.caller.connection]: 1 },
    deadlines: { ring: now + ringFor },
    probeAfter: 60_000,
  };
  tell(call, "callee", {
    event: "incoming",
    from: { userId: addressSeenBy(call.callee, call.caller), displayName: start.displayName },
    video: call.video,
    headers: start.headers,
    offer: start.offer,
    times: { started: now },
    ringsUntil: now + ringFor,
  });
  return { call, effects: [{ type: "ring" }], result: ok(null) };
}

/** One step of a call. The call that is given is not changed. */
export function step(before: CallData, input: CallInput, now: number): Step {
  const run: Run = { call: structuredClone(before), now, effects: [] };
  const result = react(run, input);
  if (!result.ok) return { call: before, effects: [], result };
  if (isOverfull(run.call) && run.call.state !== "ended") {
    end(run, "failure", errorBody("tooLarge", { detail: "too many unacknowledged events" }));
  }
  return { call: run.call, effects: run.effects, result };
}

/** The next time at which {@link step} wants `{ type: "time" }`; null for never. */
export function nextDeadline(call: CallData): number | null {
  const times = Object.values(call.deadlines).filter((time) => time !== undefined);
  return times.length === 0 ? null : Math.min(...times);
}

interface Run {
  call: CallData;
  now: number;
  effects: CallEffect[];
}

const done = ok(null);

function react(run: Run, input: CallInput): Result<null> {
  if (input.type === "time") return passTime(run);
  if (input.type === "rung") return afterRinging(run, input);
  if (input.type === "absent") {
    if (run.call.deadlines[`${input.side}Away`] !== undefined) end(run, "inactive");
    return done;
  }
  if (input.type === "offered") {
    run.call.offered += 1;
    return done;
  }
  if (input.type === "unreachable") {
    if (run.call.state === "progressing" && run.call.offered === 0)
      end(run, "failure", errorBody("userOffline", { detail: "no push has reached a device" }));
    return done;
  }
  if (input.type === "declined") return decline(run, input.from);

  const side = sideOf(run.call, input.from, input.connection);
  if (side === null) return fail("notFound");
  if (input.type === "operation") return operate(run, side, input);
  if (!takesPart(run.call, side, input.connection)) return done;
  if (input.type === "present") markPresent(run, side, input.connection, input.ack);
  else if (isParty(run.call, side)) {
    if (input.type === "gone") hangUp(run, side);
    else if (run.call.state !== "ended")
      run.call.deadlines[`${side}Away`] ??= run.now + serverLimits.awaySeconds * 1_000;
  }
  return done;
}

/** The caller always, the callee once it has answered: whose absence or hang-up ends the call. */
function isParty(call: CallData, side: Side): boolean {
  return side === "caller" || call.callee.connection !== undefined;
}

function markPresent(run: Run, side: Side, connection: string, ack: number): void {
  if (!isParty(run.call, side)) return;
  delete run.call.deadlines[`${side}Away`];
  acknowledge(run.call.logs[side], connection, ack);
}

// ---- ringing ----------------------------------------------------------------------------------

function afterRinging(run: Run, rung: Extract<CallInput, { type: "rung" }>): Result<null> {
  // A device that came meanwhile may have it already.
  if (run.call.state !== "initiating" || run.call.offered > 0) return done;
  if (rung.blocked) end(run, "failure", errorBody("userBlocked"));
  else if (!rung.known) end(run, "failure", errorBody("userUnknown"));
  else {
    const { pushed, pushPairs = [], headersOmitted } = rung;
    const devices = rung.devices + pushed + pushPairs.length;
    if (devices === 0) end(run, "failure", errorBody("userOffline"));
    run.call.offered += rung.devices;
    if (pushed > 0) run.call.pushed = true;
    progress(run, {
      devices,
      ...(pushPairs.length > 0 && { pushPairs }),
      ...(headersOmitted && { headersOmitted }),
    });
  }
  return done;
}

function progress(run: Run, progress: Progress): void {
  if (run.call.state !== "initiating") return;
  run.call.state = "progressing";
  run.call.times.progressing = run.now;
  tell(run.call, "caller", { event: "progressing", ...progress, time: run.now });
}

function ring(run: Run): void {
  // A fast device says that it rings before its hub has said that it is there.
  progress(run, { devices: 1 });
  if (run.call.state !== "progressing") return;
  run.call.state = "ringing";
  run.call.times.ringing = run.now;
  tell(run.call, "caller", { event: "ringing", time: run.now });
}

// ---- operations -------------------------------------------------------------------------------

function operate(run: Run, side: Side, input: Extract<CallInput, { type: "operation" }>): Result<null> {
  const { call } = run;
  const { connection, n, ack, op } = input;
  if (n <= (call.applied[connection] ?? 0)) return done;
  if (
    !(connection in call.applied) &&
    Object.keys(call.applied).length > serverLimits.connectionsPerUser * 4
  ) {
    return fail("conflict", { detail: "too many connections took part in this call" });
  }
  if (!takesPart(call, side, connection)) {
    return op.op === "hangup" ? done : fail("conflict", { detail: "another device has answered" });
  }
  markPresent(run, side, connection, ack);
  if (call.state === "ended") {
    return op.op === "hangup" ? done : fail("conflict", { detail: "the call has ended" });
  }
  const result = carryOut(run, side, input);
  if (result.ok) call.applied[connection] = n;
  return result;
}

function carryOut(run: Run, side: Side, input: Extract<CallInput, { type: "operation" }>): Result<null> {
  const { call } = run;
  const { connection, ack, op } = input;
  const answered = call.callee.connection !== undefined;
  switch (op.op) {
    case "start":
      return fail("conflict", { detail: "the call has been started" });
    case "ringing":
      if (side === "caller") return fail("conflict", { detail: "only the callee rings" });
      ring(run);
      return done;
    case "answer":
      return side === "caller" || answered
        ? fail("conflict", { detail: "only the callee answers, once" })
        : answer(run, connection, ack, op);
    case "transfer":
      if (!answered) return fail("conflict", { detail: "not answered yet" });
      if (call.caller.applicationKey !== call.callee.applicationKey) {
        return fail("conflict", { detail: "a call between two applications cannot be transferred" });
      }
      tell(call, other(side), { event: "transferred", to: op.to });
      end(run, "hungUp");
      return done;
    case "hangup":
      hangUp(run, side, op.error);
      return done;
    case "flowing":
      return answered ? flow(run, side, op.flowing) : fail("conflict", { detail: "not answered yet" });
    case "candidates":
    case "media":
      // Nothing of the callee reaches the caller before the answer: neither addresses nor state.
      if (side === "callee" && !answered) return fail("conflict", { detail: "withhold it until the answer" });
      tell(
        call,
        other(side),
        op.op === "media"
          ? { event: "media", media: op.media }
          : { event: "candidates", candidates: op.candidates },
      );
      return done;
    case "dtmf":
      if (!answered) return fail("conflict", { detail: "not answered yet" });
      tell(call, other(side), { event: "dtmf", keys: op.keys });
      return done;
    case "description":
      if (!answered) return fail("conflict", { detail: "not answered yet" });
      tell(call, other(side), {
        event: "description",
        description: op.description,
        candidates: op.candidates,
      });
      return done;
  }
}

type Answer = Extract<CallOperation, { op: "answer" }>;

function answer(run: Run, connection: string, ack: number, op: Answer): Result<null> {
  const { call, now } = run;
  ring(run);
  call.state = "answered";
  call.times.answered = now;
  if (call.offered !== 1 || call.pushed) {
    const event = {
      event: "ended",
      cause: "otherDeviceAnswered",
      times: { ...call.times, ended: now },
    } as const;
    tell(call, "callee", event, { except: connection });
  }
  call.callee.connection = connection;
  const former = call.applied[connection] ?? 0;
  call.applied = {
    [call.caller.connection]: call.applied[call.caller.connection] ?? 0,
    [connection]: former,
  };
  for (const entry of call.logs.callee.entries) entry.to ??= entry.except ? undefined : connection;
  markPresent(run, "callee", connection, ack);
  delete call.deadlines.ring;
  call.deadlines.connect = now + serverLimits.connectSeconds * 1_000;
  call.deadlines.longest = now + serverLimits.callSecondsMax * 1_000;
  tell(call, "caller", {
    event: "answered",
    description: op.description,
    candidates: op.candidates,
    time: now,
  });
  return done;
}

function flow(run: Run, side: Side, flowing: boolean): Result<null> {
  const { call, now } = run;
  call.flowing[side] = flowing;
  const both = call.flowing.caller && call.flowing.callee;
  if (call.state === "answered" && both) {
    call.state = "established";
    call.times.established = now;
    delete call.deadlines.connect;
    call.deadlines.probe = now + call.probeAfter;
    for (const each of ["caller", "callee"] as const) tell(call, each, { event: "established", time: now });
  } else if (call.state === "established") {
    if (both) delete call.deadlines.mediaLoss;
    else call.deadlines.mediaLoss ??= now + serverLimits.mediaLossSeconds * 1_000;
  }
  return done;
}

function hangUp(run: Run, side: Side, error?: ErrorBody): void {
  const answered = run.call.callee.connection !== undefined;
  if (error) {
    // A device that cannot take the call must not end it for the callee's other devices.
    if (side === "caller" || answered) end(run, "failure", error);
  } else if (answered) end(run, "hungUp");
  else end(run, side === "caller" ? "canceled" : "denied");
}

function decline(run: Run, from: CallUser): Result<null> {
  const { call } = run;
  if (!isSameUser(call.callee, from)) return fail("notFound");
  if (call.state === "ended" || call.callee.connection !== undefined)
    return fail("conflict", { detail: "the call is over, or was answered" });
  end(run, "denied");
  return done;
}

// ---- time and end -----------------------------------------------------------------------------

function passTime(run: Run): Result<null> {
  const { call, now } = run;
  const due = (name: keyof CallData["deadlines"]) =>
    now >= (call.deadlines[name] ?? Number.POSITIVE_INFINITY);
  if (due("linger")) run.effects.push({ type: "forget" });
  else if (due("callerAway")) confirmAway(run, "caller");
  else if (due("calleeAway")) confirmAway(run, "callee");
  else if (due("ring")) end(run, call.times.ringing === undefined ? "timeout" : "noAnswer");
  else if (due("connect") || due("mediaLoss")) end(run, "failure", errorBody("mediaFailed"));
  else if (due("longest")) end(run, "timeout");
  else if (due("probe")) {
    call.probeAfter = Math.min(call.probeAfter * 2, 15 * 60_000);
    call.deadlines.probe = now + call.probeAfter;
    run.effects.push({ type: "probe", side: "caller" }, { type: "probe", side: "callee" });
  }
  return done;
}

/** The news that it is gone may have been overtaken by its return, and nothing else need follow. */
function confirmAway(run: Run, side: Side): void {
  run.call.deadlines[`${side}Away`] = run.now + 5_000;
  run.effects.push({ type: "confirmAway", side });
}

function end(run: Run, cause: EndCause, error?: ErrorBody): void {
  const { call, now } = run;
  if (call.state === "ended") return;
  call.state = "ended";
  call.cause = cause;
  call.error = error;
  call.times.ended = now;
  call.deadlines = { linger: now + serverLimits.lingerSeconds * 1_000 };
  const event: CallEvent = { event: "ended", cause, times: call.times, error };
  tell(call, "caller", event);
  tell(call, "callee", event);
  run.effects.push({ type: "record" });
}

// ---- small things -----------------------------------------------------------------------------

function other(side: Side): Side {
  return side === "caller" ? "callee" : "caller";
}

/** How one user names another: with the application key where that is another one. */
function addressSeenBy(viewer: CallUser, user: CallUser): string {
  return viewer.applicationKey === user.applicationKey
    ? user.userId
    : `${user.userId}@${user.applicationKey}`;
}
