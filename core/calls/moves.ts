/** The moves from one state of a call to the next, which several of its inputs bring about. */
import {
  type CallEvent,
  type CallHeaders,
  type EndCause,
  type ErrorBody,
  type Progress,
  serverLimits,
} from "../../protocol";
import { costOfCall, toCallRate } from "./billing";
import type { CallData, Side } from "./call-data";
import { tell } from "./call-log";
import type { CallEffect } from "./inputs";

/** A step that is under way: it changes `call`. */
export interface Run {
  call: CallData;
  now: number;
  effects: CallEffect[];
}

export type AnsweredEvent = Extract<CallEvent, { event: "answered" }>;

export function progress(run: Run, progress: Progress): void {
  if (run.call.state !== "initiating") return;
  run.call.state = "progressing";
  run.call.times.progressing = run.now;
  tell(run.call, "caller", { event: "progressing", ...progress, time: run.now });
}

export function ring(run: Run): void {
  // A fast device says that it rings before its hub has said that it is there.
  progress(run, oneDevice(run.call));
  if (run.call.state !== "progressing") return;
  run.call.state = "ringing";
  run.call.times.ringing = run.now;
  tell(run.call, "caller", { event: "ringing", time: run.now });
}

/** Of a phone it tells the price, too. */
export function oneDevice({ bill }: CallData): Progress {
  return { devices: 1, ...(bill && { rate: toCallRate(bill) }) };
}

/** This connection has the call, and no other. */
export function take(run: Run, connection: string, answer: Omit<AnsweredEvent, "event" | "time">): void {
  const { call, now } = run;
  if (call.callee.line !== "conference") ring(run);
  call.state = "answered";
  call.times.answered = now;
  if (!call.callee.line && (call.offered !== 1 || call.pushed)) {
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
  delete call.deadlines.ring;
  call.deadlines.connect = now + serverLimits.connectSeconds * 1_000;
  call.deadlines.longest = now + serverLimits.callSecondsMax * 1_000;
  tell(call, "caller", { event: "answered", ...answer, time: now });
}

/** Media runs both ways, or need not be waited for. */
export function establish({ call, now }: Run): void {
  call.state = "established";
  call.times.established = now;
  call.flowing = { caller: true, callee: true };
  delete call.deadlines.connect;
  call.deadlines.probe = now + call.probeAfter;
  for (const each of ["caller", "callee"] as const) tell(call, each, { event: "established", time: now });
}

export function end(run: Run, cause: EndCause, error?: ErrorBody, headers?: CallHeaders): void {
  const { call, now } = run;
  if (call.state === "ended") return;
  call.state = "ended";
  call.cause = cause;
  call.error = error;
  call.times.ended = now;
  call.deadlines = { linger: now + serverLimits.lingerSeconds * 1_000 };
  const cost = costOfCall(call);
  const event: CallEvent = {
    event: "ended",
    cause,
    times: call.times,
    error,
    ...(cost && { cost }),
    ...(headers && { headers }),
  };
  tell(call, "caller", event);
  tell(call, "callee", event);
  run.effects.push({ type: "record" });
}

/** A phone on hold may send nothing at all. */
export function hold(run: Run, side: Side, held: boolean): void {
  const { call } = run;
  if ((call.holds?.[side] ?? false) === held) return;
  call.holds = { ...call.holds, [side]: held };
  if (call.state === "established") watchMedia(run);
}

export function watchMedia({ call, now }: Run): void {
  const { flowing, holds } = call;
  if ((flowing.caller && flowing.callee) || holds?.caller || holds?.callee) delete call.deadlines.mediaLoss;
  else call.deadlines.mediaLoss ??= now + serverLimits.mediaLossSeconds * 1_000;
}

export function other(side: Side): Side {
  return side === "caller" ? "callee" : "caller";
}
