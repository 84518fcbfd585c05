/** What a push says, before it is put into the words of a provider. */
import type { CallHeaders, EndCause } from "../../protocol";

export type PushContent = CallPush | CancelPush | MessagePush;

interface AboutCall {
  callId: string;
  /** The application that the call belongs to, when that is not the callee's own. */
  origin?: string;
  /** The caller, as the callee names it. */
  from: string;
  displayName?: string;
  video: boolean;
}

/** A call rings. */
export interface CallPush extends AboutCall {
  type: "call";
  headers: CallHeaders;
  /** When it stops ringing, milliseconds since 1970. */
  until: number;
}

/** A call that was pushed is over, or another device has it. */
export interface CancelPush extends AboutCall {
  type: "cancel";
  cause: EndCause;
  /** When the call would have stopped ringing, milliseconds since 1970. */
  until: number;
}

/** Messages wait; the newest one speaks for all of them. */
export interface MessagePush {
  type: "message";
  messageId: string;
  /** Missing: the application itself. */
  from?: string;
  displayName?: string;
  headers: CallHeaders;
  /** When the message is gone, milliseconds since 1970. */
  until: number;
}
