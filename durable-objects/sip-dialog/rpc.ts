/** What others ask of a {@link SipDialog}, and what it tells the session of its call. */
import type { CallUser } from "../../core/calls/call-data";
import type { Trunk } from "../../core/telephony/trunk";
import type { CallHeaders, EndCause, ErrorBody, SessionDescription } from "../../protocol";

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

/** What has become of the INVITE: told to `CallSession.line`. Said again, it changes nothing. */
export type LineNews =
  /** A trunk has taken it. */
  | { news: "trying" }
  | { news: "ringing" }
  /** The network plays something. */
  | { news: "early"; description: SessionDescription }
  | { news: "answered"; description: SessionDescription; headers?: CallHeaders }
  /** It came to nothing, or is over. */
  | { news: "ended"; cause: EndCause; error?: ErrorBody; headers?: CallHeaders };

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
