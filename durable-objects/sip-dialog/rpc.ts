/** What others ask of a {@link SipDialog}. What it tells the session of its call: `core/calls/line.ts`. */
import type { CallUser } from "../../core/calls/call-data";
import type { Trunk } from "../../core/telephony/trunk";
import type { CallHeaders } from "../../protocol";

/** One leg to a gateway. A second time for the same call changes nothing. */
export interface Dial {
  applicationKey: string;
  callId: string;
  reference: string;
  /** Whom: an E.164 number with +, or `user@domain`. */
  callee: CallUser & { line: "phone" | "sip" };
  callerUserId: string;
  displayName?: string;
  /** `x-` headers, checked. */
  headers: CallHeaders;
  /** With its candidates. */
  offer: string;
  /** At least one, in the order in which they are to be tried. */
  trunks: Trunk[];
  /** Milliseconds since 1970: after that nobody waits. */
  until: number;
}

/** What a trunk has answered to OPTIONS. */
export interface TrunkCheck {
  reachable: boolean;
  /** Until it answered, milliseconds. */
  ms?: number;
  status?: number;
  reason?: string;
  /** As it calls itself. */
  server?: string;
  /** What is wrong, for a person to read. */
  problem?: string;
}
