/** What a leg has to remember: one plain value, stored as it is with each change, so that a change is one written row. */
import type { LineNews } from "../../core/calls/line";
import type { StoredDialog } from "../../core/telephony/sip/call-dialog";
import type { SipStatus } from "../../core/telephony/sip/failures";
import type { StoredInvite } from "../../core/telephony/sip/invite";
import type { SessionTimer } from "../../core/telephony/sip/session-timer";
import { type CallOperation, errorBody, serverLimits } from "../../protocol";
import type { LineParty } from "../call-session/rpc";
import type { Dial } from "./rpc";

/** How long a gateway that went away is waited for. */
const gatewayMs = serverLimits.gatewaySeconds * 1_000;
/** A session that cannot be told for so long is not told. */
export const tellMs = 24 * 3_600_000;
const farewellMs = serverLimits.farewellMinutes * 60_000;
/** No phone rings for longer: proxies give an INVITE up after three minutes (RFC 3261, 16.6). */
const ringsMs = 5 * 60_000;
/** The session ends a call that nobody answers: should that not reach us, it ends here. */
const graceMs = 5_000;

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
  /** How often it was sent again because its connection was lost. */
  redials?: number;
  /** INVITEs of which nobody has heard anything, from when another trunk had its turn. */
  leftovers?: Leftover[];
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
  /** The far end has to be told, by CANCEL or BYE, until it was. */
  farewell?: true;
  /** Milliseconds since 1970. */
  since: number;
}

/** An INVITE whose answer nobody waits for any more; but it may make a phone ring. */
export interface Leftover {
  trunk: number;
  invite: StoredInvite;
  until: number;
}

/** What a call is ended with. */
export type Ending = Pick<Over, "news" | "farewell">;

export function newLeg(dial: Dial, contactUser: string): LegData {
  return { dial, contactUser, trunk: 0, heard: 0, n: 0, outbox: [] };
}

/** A call that has just been answered. */
export function newTalk(
  dialog: StoredDialog,
  offer: string,
  answer: string,
  timer: SessionTimer | undefined,
  now: number,
): Talk {
  const sdps = { local: offer, sent: offer, remote: answer };
  return { dialog, ...sdps, held: false, heldSent: false, farHeld: false, timer, refreshed: now, tones: "" };
}

/** When a leg comes to an end by itself. */
export function deadlinesOf({ dial, talk, lost, over }: LegData): number[] {
  if (over) return [];
  return [...(lost === undefined ? [] : [lost + gatewayMs]), ...(talk ? [] : [dial.until + graceMs])];
}

/** How a leg ends whose time is over. */
export function dueEnding({ dial, talk, lost, over }: LegData, now: number): Ending | undefined {
  if (over) return undefined;
  if (lost !== undefined && now >= lost + gatewayMs) {
    const error = errorBody("trunkUnreachable", { detail: "the gateway went away in the call" });
    return { news: { news: "ended", cause: "failure", error }, farewell: true };
  }
  if (talk || now < dial.until + graceMs) return undefined;
  return { news: { news: "ended", cause: "noAnswer" }, farewell: true };
}

/** Whether it is too late to try once more to tell the far end. */
export function isFarewellLate({ talk, over }: LegData, now: number): boolean {
  return over !== undefined && now >= over.since + (talk ? farewellMs : ringsMs);
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
