/**
 * The data of one call: everything that its session has to remember, as one plain value that goes
 * into storage as it is.
 */

import type { CallEvent, CallState, CallTimes, EndCause, ErrorBody, RoomOperation } from "../../protocol";
import type { Rate } from "../credits/rate";

export type Side = "caller" | "callee";

/** A side that is no user: behind a trunk, the recording of the test number (`test`), or a conference. */
export type Line = "phone" | "sip" | "test" | "conference";

/**
 * The user on one side of a call; with `line` what is there instead, and `userId` its number, address or id.
 * A caller has none but `conference`.
 */
export interface CallUser {
  applicationKey: string;
  userId: string;
  line?: Line;
}

/** What a conference is told of the call with one of its participants, beside the call's own events. */
export type RoomNotice =
  | { event: "operation"; operation: RoomOperation }
  /** The participant has lost its connection, or has it again. */
  | { event: "present"; present: boolean };

/** An event that was told to one side, kept until that side has acknowledged it. */
export interface LogEntry {
  seq: number;
  /** About how much room it takes, bytes. */
  size: number;
  /** Notices are for conferences alone. */
  event: CallEvent | RoomNotice;
  /** Only for this connection. */
  to?: string;
  /** For every connection but this. */
  except?: string;
}

/**
 * What a side is told, in order. All of a callee's devices read the same log until one of them
 * answers, each from its own position.
 */
export interface EventLog {
  /** The seq of the newest entry, 0 for none. */
  last: number;
  entries: LogEntry[];
}

/** When something happens by itself; milliseconds since 1970. */
export interface Deadlines {
  /** Nobody answered. */
  ring?: number;
  /** Answered, but media does not run both ways. */
  connect?: number;
  /** The longest that a call may take. */
  longest?: number;
  /** Media has stopped. */
  mediaLoss?: number;
  /** A side has lost its connection to us. */
  callerAway?: number;
  calleeAway?: number;
  /** Look whether both sides are still there: a crash of the server tells nobody. */
  probe?: number;
  /** Ask for more credit, while what is held pays still. */
  fund?: number;
  /** What is held pays no longer. */
  broke?: number;
  /** The recording of the test number is over. */
  prompt?: number;
  /** Write the record, then forget the call. */
  linger?: number;
}

/** What a phone call is paid with. */
export interface Bill {
  accountId: string;
  rate: Rate;
  /** ISO 4217. */
  currency: string;
  /** Reserved for it, micro-units. */
  held: number;
  /** In so many reservations. */
  slices: number;
  /** There was no more when it was last asked for. */
  refused?: boolean;
  /** What is held is used up, and more is asked for one last time. */
  askedLate?: boolean;
}

export interface CallData {
  callId: string;
  applicationKey: string;
  reference: string;
  caller: CallUser & { connection: string };
  /** `connection`: the one that answered. */
  callee: CallUser & { connection?: string };
  /** Of a phone call, from its reservation on. */
  bill?: Bill;
  /** Which side has the other one on hold. */
  holds?: Partial<Record<Side, boolean>>;
  video: boolean;
  state: CallState;
  cause: EndCause;
  error?: ErrorBody;
  times: CallTimes;
  /** Milliseconds. */
  ringFor: number;
  /** Whether media arrives at this side. */
  flowing: Record<Side, boolean>;
  logs: Record<Side, EventLog>;
  /** The callee's connections that were offered the call; others need not hear who answered. */
  offered: number;
  /** Devices of the callee are woken by pushes: they have to hear who answered. */
  pushed?: true;
  /** The last operation applied, per connection. */
  applied: Record<string, number>;
  deadlines: Deadlines;
  /** Milliseconds until the next probe; doubles. */
  probeAfter: number;
}

/** The side that a connection speaks for; null for a connection that has no business here. */
export function sideOf(call: CallData, user: CallUser, connection: string): Side | null {
  if (isSameUser(call.caller, user)) return call.caller.connection === connection ? "caller" : null;
  return isSameUser(call.callee, user) ? "callee" : null;
}

/** Before an answer every device of the callee takes part, after it the one that answered. */
export function takesPart(call: CallData, side: Side, connection: string): boolean {
  return side === "caller" || call.callee.connection === undefined || call.callee.connection === connection;
}

export function isSameUser(one: CallUser, other: CallUser): boolean {
  return (
    one.userId === other.userId && one.applicationKey === other.applicationKey && one.line === other.line
  );
}

/** An acknowledgement alone is no news: should it be lost, events are sent again and known by their seq. */
export function isWorthStoring(before: CallData, after: CallData): boolean {
  return (
    before.logs.caller.last !== after.logs.caller.last ||
    before.logs.callee.last !== after.logs.callee.last ||
    before.state !== after.state ||
    JSON.stringify(before.bill) !== JSON.stringify(after.bill) ||
    before.flowing.caller !== after.flowing.caller ||
    before.flowing.callee !== after.flowing.callee ||
    JSON.stringify(before.deadlines) !== JSON.stringify(after.deadlines)
  );
}
