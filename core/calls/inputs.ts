/** What can happen to a call, and what it brings about. */
import type { CallOperation, ErrorBody, PushPair, Result } from "../../protocol";
import type { RoomWords } from "../conferences/words";
import type { Bill, CallData, CallUser, Side } from "./call-data";
import type { LineNews } from "./line";

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
  /** The credit for a call to a phone is reserved, where it costs any: it is about to be dialled, or a room joined. */
  | { type: "lineReady"; bill?: Bill }
  /** It may not be made. */
  | { type: "refused"; error: ErrorBody }
  /** What its leg tells. */
  | { type: "line"; from: CallUser; connection: string; news: LineNews }
  /** What the conference says. Its first words say that it has taken the caller in. */
  | { type: "room"; from: CallUser; connection: string; said: RoomWords }
  /** More credit is reserved: all that the call holds now. */
  | { type: "funded"; held: number; slice: number }
  /** It is not; `failed`: nobody knows. */
  | { type: "unfunded"; failed?: boolean }
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
  /** Reserve more credit. */
  | { type: "fund" }
  /** The call is over: settle what it has cost, write its record. */
  | { type: "record" }
  /** Nothing more will come: forget the call, once its record is written. */
  | { type: "forget" };

export interface Step {
  call: CallData;
  effects: CallEffect[];
  /** The answer to an operation. */
  result: Result<null>;
}
