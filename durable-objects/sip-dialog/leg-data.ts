/** What a leg has to remember: one plain value, stored as it is with each change, so that a change is one written row. */
import type { LineNews } from "../../core/calls/line";
import type { StoredDialog } from "../../core/telephony/sip/call-dialog";
import type { SipStatus } from "../../core/telephony/sip/failures";
import type { StoredInvite } from "../../core/telephony/sip/invite";
import type { SessionTimer } from "../../core/telephony/sip/session-timer";
import type { CallOperation } from "../../protocol";
import type { LineParty } from "../call-session/rpc";
import type { Dial } from "./rpc";

export interface LegData {
  dial: Dial;
  /** The user part of our Contact, over all connections. */
  contactUser: string;
  /** Which of the trunks is being tried, or has the call. */
  trunk: number;
  /** What a trunk that was tried has said. */
  refusal?: SipStatus;
  /** The INVITE that has left, as long as nobody has answered for good. */
  invite?: StoredInvite;
  /** From the 200 on. */
  talk?: Talk;
  /** The seq of the last event that was heard of the session. */
  heard: number;
  /** The last operation of ours. */
  n: number;
  /** Operations that the session may not have yet. */
  outbox: { n: number; op: CallOperation }[];
  /** Since when the gateway that has the call is away, milliseconds since 1970. */
  lost?: number;
  /** It is over. */
  over?: Over;
}

/** A call that was answered. */
export interface Talk {
  dialog: StoredDialog;
  /** Told to the session, which may not know it yet. */
  news?: Extract<LineNews, { news: "answered" }>;
  /** The caller's side, as the browser has described it last, and as it was sent. */
  local: string;
  sent: string;
  /** The far end's. */
  remote: string;
  /** The caller holds the far end; and it was told so. */
  held: boolean;
  heldSent: boolean;
  /** The far end holds the caller. */
  farHeld: boolean;
  /** An offer of the caller that has not been answered. */
  offer?: string;
  timer?: SessionTimer;
  /** The last refresh, milliseconds since 1970. */
  refreshed: number;
  /** Of the caller, not sent yet. */
  tones: string;
}

export interface Over {
  /** What the session has to be told, until it was. */
  news?: Extract<LineNews, { news: "ended" }>;
  /** What the far end has to be told, until it was. */
  farewell?: "cancel" | "bye";
  /** Nobody tries for longer. */
  until: number;
}

/** What a call is ended with. */
export type Ending = Pick<Over, "news" | "farewell">;

export function newLeg(dial: Dial, contactUser: string): LegData {
  return { dial, contactUser, trunk: 0, heard: 0, n: 0, outbox: [] };
}

/** As whom the leg takes part in its call. */
export function partyOf({ applicationKey, callId, callee }: Dial): LineParty {
  const { userId, line } = callee;
  return { applicationKey, userId, line, instanceId: "sip", connectionId: callId };
}

/** How the session knows it. */
export function keyOf({ callId }: Dial): string {
  return `sip/${callId}`;
}
