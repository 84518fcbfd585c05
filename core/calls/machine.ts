/**
 * The life of a call, as a pure function: {@link step} takes the call, something that happened and
 * the time, and gives the call afterwards and what is to be done outside.
 *
 * Source of the rules: SPEC section 3.
 */
import {
  type CallOperation,
  type ErrorBody,
  errorBody,
  fail,
  ok,
  type Result,
  serverLimits,
} from "../../protocol";
import { type CallData, type CallUser, isSameUser, type Side, sideOf, takesPart } from "./call-data";
import { acknowledge, isOverfull, tell } from "./call-log";
import { hearRoom, isParticipant, notify } from "./conference";
import type { CallInput, Step } from "./inputs";
import { end, establish, hold, other, progress, type Run, ring, take, watchMedia } from "./moves";
import { fund, goBroke, hearLine, lineReady } from "./phone";

/** What starts a call. */
export interface NewCall {
  callId: string;
  applicationKey: string;
  reference: string;
  caller: CallUser & { connection: string };
  callee: CallUser;
  start: Extract<CallOperation, { op: "start" }>;
}

/** A new call, not yet offered to anybody, and the effect that offers it; that to a line is dialled instead. */
export function newCall(input: NewCall, now: number): Step {
  const { start } = input;
  // A conference does not ring: it takes some time to join one that moves to its SFU.
  const rings = input.callee.line === "conference" ? undefined : start.ringSeconds;
  const ringFor = 1_000 * (rings ?? serverLimits.ringSeconds);
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
  if (call.callee.line) return { call, effects: [], result: ok(null) };
  tell(call, "callee", {
    event: "incoming",
    from: { userId: addressSeenBy(call.callee, call.caller), displayName: start.displayName },
    video: call.video,
    headers: start.headers,
    offer: start.offer,
    ...(call.caller.line && { conference: call.caller.userId }),
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
  if (input.type === "lineReady") return lineReady(run, input.bill);
  if (input.type === "refused") {
    if (run.call.state !== "initiating") return done;
    end(run, input.error.name === "insufficientFunds" ? "insufficientFunds" : "failure", input.error);
    return done;
  }
  if (input.type === "line") return hearLine(run, input);
  if (input.type === "room") {
    return hearRoom(run, input, (side, op) => {
      carryOut(run, side, { ...input, type: "operation", n: 0, ack: 0, op });
    });
  }
  if (input.type === "funded" || input.type === "unfunded") return fund(run, input);

  const side = sideOf(run.call, input.from, input.connection);
  if (side === null) return fail("notFound");
  if (input.type === "operation") return operate(run, side, input);
  if (!takesPart(run.call, side, input.connection)) return done;
  if (input.type === "present") markPresent(run, side, input.connection, input.ack);
  else if (isParty(run.call, side)) {
    if (input.type === "gone") hangUp(run, side);
    else if (run.call.state !== "ended" && run.call.deadlines[`${side}Away`] === undefined) {
      run.call.deadlines[`${side}Away`] = run.now + serverLimits.awaySeconds * 1_000;
      if (isParticipant(run.call, side)) notify(run.call, { event: "present", present: false });
    }
  }
  return done;
}

/** The caller always, the callee once it has answered: whose absence or hang-up ends the call. */
function isParty(call: CallData, side: Side): boolean {
  return side === "caller" || call.callee.connection !== undefined;
}

function markPresent(run: Run, side: Side, connection: string, ack: number): void {
  if (!isParty(run.call, side)) return;
  const wasAway = run.call.deadlines[`${side}Away`] !== undefined;
  if (wasAway && isParticipant(run.call, side)) notify(run.call, { event: "present", present: true });
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
  if (isParticipant(call, side)) return participate(run, side, input);
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
    case "room":
      return fail("conflict", { detail: "this is no conference" });
    case "transfer":
      if (!answered) return fail("conflict", { detail: "not answered yet" });
      if (call.callee.line) return fail("conflict", { detail: "a phone cannot be transferred" });
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
      if (op.op === "media") hold(run, side, op.media.held);
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

/** To a conference: it hears what its participant does, and gives no description of its own. */
function participate(run: Run, side: Side, input: Extract<CallInput, { type: "operation" }>): Result<null> {
  const { call } = run;
  const { connection, ack, op } = input;
  const answered = call.callee.connection !== undefined;
  if (op.op === "answer" && side === "callee" && !answered) {
    take(run, connection, { candidates: [] });
    establish(run);
    markPresent(run, "callee", connection, ack);
    return done;
  }
  if (op.op === "hangup") hangUp(run, side, op.error);
  else if (op.op === "ringing" && side === "callee") ring(run);
  else if (!answered) return fail("conflict", { detail: "not answered yet" });
  else if (op.op === "media") tell(call, other(side), { event: "media", media: op.media });
  else if (op.op === "room") notify(call, { event: "operation", operation: op.room });
  else return fail("conflict", { detail: `a conference takes no ${op.op}` });
  return done;
}

type Answer = Extract<CallOperation, { op: "answer" }>;

function answer(run: Run, connection: string, ack: number, op: Answer): Result<null> {
  if (!op.description) return fail("conflict", { detail: "the answer has no description" });
  take(run, connection, { description: op.description, candidates: op.candidates });
  markPresent(run, "callee", connection, ack);
  return done;
}

function flow(run: Run, side: Side, flowing: boolean): Result<null> {
  const { call } = run;
  call.flowing[side] = flowing;
  const both = call.flowing.caller && call.flowing.callee;
  if (call.state === "answered" && both) {
    establish(run);
  } else if (call.state === "established") {
    watchMedia(run);
  }
  return done;
}

function hangUp(run: Run, side: Side, error?: ErrorBody): void {
  const answered = run.call.callee.connection !== undefined;
  if (error?.name === "removed") end(run, answered ? "hungUp" : "canceled", error);
  else if (error) {
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

// ---- time -----------------------------------------------------------------------------

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
  else if (due("broke")) goBroke(run);
  else if (due("prompt")) end(run, "hungUp");
  else if (due("fund")) {
    // Should the answer get lost, it is asked again.
    call.deadlines.fund = now + 5_000;
    run.effects.push({ type: "fund" });
  } else if (due("probe")) {
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

// ---- small things -----------------------------------------------------------------------------

/** How one user names another: with the application key where that is another one. */
function addressSeenBy(viewer: CallUser, user: CallUser): string {
  return viewer.applicationKey === user.applicationKey
    ? user.userId
    : `${user.userId}@${user.applicationKey}`;
}
