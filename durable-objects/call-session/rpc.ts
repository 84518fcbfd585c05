/** What a hub asks of a {@link CallSession}. */
import type { CallUser } from "../../core/calls/call-data";
import type { CallFrame, CallOperation, EndCause } from "../../protocol";
import type { Party } from "../user-hub/rpc";

/** A leg to a phone or a SIP address, which takes part in a call as a connection does. */
export type LineParty = Party & { line: "phone" | "sip" };

/** A conference, which takes part in the calls of its participants, and makes those that bring somebody in. */
export type RoomParty = Party & { line: "conference" };

/** The connection of a conference in a call: one word for all. */
export const roomInstance = "room";

export interface SessionRequest {
  from: Party | LineParty | RoomParty;
  callId: string;
  n: number;
  ack: number;
  op: CallOperation;
  /** For `start`: the callee, resolved and allowed. */
  callee?: CallUser;
  reference: string;
}

/** What a connection has missed, and how many of its operations were applied. */
export interface SessionSync {
  known: boolean;
  n: number;
  frames: CallFrame[];
  /** Why a call that is not known any more is over. */
  cause?: EndCause;
}
