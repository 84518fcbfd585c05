/**
 * What travels over the active connection: one WebSocket, one JSON object per frame.
 *
 * 1. The client opens `wss://{environmentHost}/v1/connect` with the subprotocols `carillon.v1` and
 *    `token.{instanceToken}`, and says {@link Hello}. The server answers {@link Welcome}, or
 *    {@link Refused} and closes.
 * 2. A frame of the client with an `id` is a request. It gets exactly one {@link Answer} or
 *    {@link Failure} with that id, and what it asked for is durable by then.
 * 3. Nothing of a call is lost, in either direction, and nothing is applied twice: the server
 *    numbers what it tells a party ({@link CallFrame.seq}), the client numbers what it tells the
 *    call ({@link CallRequest.n}), and each side acknowledges cumulatively (`ack` and `n` of
 *    {@link Synced}). After a drop, a new connection says in {@link Hello.calls} how far it has
 *    come; the server sends the rest and one {@link Synced} per call, and the client sends again
 *    whatever lies above `n`.
 * 4. Nothing of a message is lost either: the server numbers what waits for a user
 *    ({@link MailMessage.seq}), each device reads it from its own position and acknowledges
 *    cumulatively. Words and rules: `messages.ts`.
 * 5. A ping is the text `ping`, answered `pong`; the server does not wake up for it.
 *
 * Words: an *instance* is one installation of an app for one user; a *connection* is one tab or
 * process of it and keeps its `connectionId` when its socket comes back.
 */
import type { RoomEvent, RoomOperation } from "./conference";
import type { CallCost, CallRate } from "./credits";
import type { ErrorBody } from "./errors";
import type { MailMessage, MailPosition, Note, OutgoingMessage, SendResult } from "./messages";
import type { PushPair } from "./push";

/** The versions of this protocol that this build speaks. */
export const protocolVersions: readonly number[] = [1];
/** The WebSocket subprotocol that the server selects. */
export const subprotocol = "carillon.v1";
/** The prefix of the subprotocol entry that carries the instance token. */
export const tokenSubprotocolPrefix = "token.";

/** Why the server closed a socket. The SDK comes back by itself where it makes sense. An enum, as the limits are. */
export enum closeCodes {
  /** Close normally, or a client that says nothing sensible. */
  tooManyBadFrames = 4400,
  /** The instance was revoked, or its token has expired: renew or register. */
  unauthorized = 4401,
  /** No hello came in time, or not as the first frame. */
  helloExpected = 4408,
  /** The same connection came back on another socket. */
  replaced = 4409,
  versionRefused = 4426,
  /** The server could not resume the calls of this connection; come back. */
  restarted = 4412,
  /** Far too many frames; come back after a while. */
  rateLimited = 4429,
}

// ---- calls: shared words ----------------------------------------------------------------------

export type CallState = "initiating" | "progressing" | "ringing" | "answered" | "established" | "ended";

export type EndCause =
  | "none"
  | "timeout"
  | "denied"
  | "noAnswer"
  | "failure"
  | "hungUp"
  | "canceled"
  | "otherDeviceAnswered"
  | "inactive"
  | "insufficientFunds";

export type CallHeaders = Record<string, string>;

export interface SessionDescription {
  /** `rollback`, to a client alone: the other side's network has refused its offer. */
  type: "offer" | "answer" | "rollback";
  sdp: string;
}

/** As RTCIceCandidate.toJSON() gives it. */
export interface Candidate {
  candidate: string;
  sdpMid?: string | null;
  sdpMLineIndex?: number | null;
  usernameFragment?: string | null;
}

/** What a party does with its media: a notice for the other one's display. */
export interface MediaState {
  muted: boolean;
  held: boolean;
  video: "off" | "on" | "paused" | "screen";
}

/** When a call came to each state, milliseconds since 1970 on the server's clock. */
export interface CallTimes {
  started: number;
  progressing?: number;
  ringing?: number;
  answered?: number;
  established?: number;
  ended?: number;
}

export interface IceServer {
  urls: string[];
  username?: string;
  credential?: string;
}

/** How far a connection has come in a call. */
export interface CallPosition {
  callId: string;
  /** The application that the call belongs to, when that is not the connection's own. */
  origin?: string;
  /** The last {@link CallFrame.seq} that was applied; 0 for none. */
  ack: number;
}

// ---- client to server -------------------------------------------------------------------------

export type ClientFrame =
  | Hello
  | SetState
  | CallRequest
  | Ack
  | Relay
  | SendMessages
  | ReadMessages
  | Typing
  | IceServersRequest
  | PresenceRequest
  | Goodbye;

/** The first frame on every socket. */
export interface Hello {
  type: "hello";
  versions: number[];
  /** Made by the client once per tab or process; a UUID. */
  connectionId: string;
  /** Name and version, for the log. */
  sdk: string;
  state: ConnectionState;
  /** The calls that this connection takes part in or rings for. */
  calls: CallPosition[];
  /** Messages are wanted here, from this position on. Missing: this instance has no messaging. */
  mail?: MailPosition;
}

/** Whether calls ring here. A connection that is not available is there for its own calls only. */
export interface ConnectionState {
  /** startListeningOnActiveConnection() was called, and the app can take calls. */
  listening: boolean;
  /** The page is hidden and the app did not enable the active connection in background. */
  background: boolean;
}

export interface SetState {
  type: "state";
  id: number;
  state: ConnectionState;
}

/** What a party wants of a call. Answered with {@link CallResult}. */
export interface CallRequest {
  type: "call";
  id: number;
  callId: string;
  origin?: string;
  /** Counts this connection's operations on this call from 1; one that was applied is not applied again. */
  n: number;
  /** The last {@link CallFrame.seq} that was applied. */
  ack: number;
  op: CallOperation;
}

export type CallOperation =
  /** The caller: make the call. */
  | {
      op: "start";
      /** A user, or what `line` says. */
      to: string;
      /**
       * `to` is a phone number (E.164, with +) or a SIP address (`user@domain`): the offer then has its
       * candidates; or the id of a conference: there is no offer then.
       */
      line?: "phone" | "sip" | "conference";
      displayName?: string;
      video: boolean;
      headers: CallHeaders;
      /** Missing for a conference alone. */
      offer?: SessionDescription;
      /** 5 to 120. */
      ringSeconds?: number;
    }
  /** A device of the callee: it rings here. */
  | { op: "ringing" }
  /** A device of the callee: take the call. The first one has it; others get `conflict`. */
  | {
      op: "answer";
      /** Missing for a call from a conference alone. */
      description?: SessionDescription;
      candidates: Candidate[];
    }
  | { op: "candidates"; candidates: Candidate[] }
  /** Renegotiation: video comes or goes, ICE restarts. */
  | { op: "description"; description: SessionDescription; candidates: Candidate[] }
  | { op: "media"; media: MediaState }
  /** Media arrives here (true), or has stopped (false). */
  | { op: "flowing"; flowing: boolean }
  /** Tones, `0-9 # * A-D`, where the media cannot carry them. */
  | { op: "dtmf"; keys: string }
  /** Blind transfer: the other side is asked to call `to` instead, and this call ends. */
  | { op: "transfer"; to: string }
  /** To the conference that this is a call with. */
  | { op: "room"; room: RoomOperation }
  /** Cancel, decline or hang up, whichever it is by now. With an error when this side cannot go on. */
  | { op: "hangup"; error?: ErrorBody };

export interface Ack {
  type: "ack";
  calls: CallPosition[];
  mail?: MailPosition;
}

/**
 * A push has told of these calls: they are wanted here, also in the background. Answered with their
 * events and a {@link Synced} each, as after a hello.
 */
export interface Relay {
  type: "relay";
  calls: CallPosition[];
}

/**
 * Sends messages, in this order. Answered with {@link SendResult} when each is stored or refused.
 * Have one such request under way at a time: should the rate be exceeded, what is refused is always
 * the end of a frame, and the order in a conversation stays.
 */
export interface SendMessages {
  type: "send";
  id: number;
  /** 1 to 64; the frame's limit holds too. */
  messages: OutgoingMessage[];
  /** What pushes call the sender; at most 128 bytes. */
  displayName?: string;
}

/** The person has read these. Messages that were not sent to this user are passed over. Answered with `{}`. */
export interface ReadMessages {
  type: "read";
  id: number;
  /** 1 to 100; `from` null for a message of the application. */
  messages: { from: string | null; id: string }[];
}

/** The person is typing to these users, 1 to 16. Not answered, not stored. */
export interface Typing {
  type: "typing";
  to: string[];
}

/** Answered with {@link IceServersResult}. */
export interface IceServersRequest {
  type: "iceServers";
  id: number;
}

/** Answered with {@link PresenceResult}. */
export interface PresenceRequest {
  type: "presence";
  id: number;
  userId: string;
}

/** The tab closes for good: its calls end now instead of after the 30 seconds of grace. */
export interface Goodbye {
  type: "goodbye";
}

// ---- server to client -------------------------------------------------------------------------

export type ServerFrame =
  | Welcome
  | Refused
  | Answer
  | Failure
  | CallFrame
  | Synced
  | MailFrame
  | NotesFrame
  | TypingFrame;

export interface Welcome {
  type: "welcome";
  version: number;
  versions: readonly number[];
  userId: string;
  instanceId: string;
  /** The server's clock, milliseconds since 1970. */
  time: number;
  reference: string;
}

export interface Refused {
  type: "refused";
  versions: readonly number[];
  error: ErrorBody;
}

export interface Answer {
  type: "answer";
  id: number;
  result: CallResult | IceServersResult | PresenceResult | SendResult | Record<string, never>;
}

/** A request that failed, or (`id` null) a frame that could not be read. */
export interface Failure {
  type: "error";
  id: number | null;
  error: ErrorBody;
}

export interface CallFrame {
  type: "call";
  callId: string;
  origin?: string;
  /** Grows within a call and party, with gaps. What is not greater than the last one is a repetition. */
  seq: number;
  event: CallEvent;
}

/** After a resume: all events of this call have been sent, and operations up to `n` were applied. */
export interface Synced {
  type: "synced";
  callId: string;
  n: number;
  /** The server knows no such call (any more), or it is over for this connection. */
  unknown?: true;
  /** Why an unknown call is over, as long as that is remembered: a minute. */
  cause?: EndCause;
}

/** Messages for this user, in the order of `seq`. */
export interface MailFrame {
  type: "mail";
  messages: MailMessage[];
}

/** What became of messages, in the order of `seq`. */
export interface NotesFrame {
  type: "notes";
  notes: Note[];
}

/** Somebody is typing to this user. */
export interface TypingFrame {
  type: "typing";
  from: string;
}

export type CallEvent =
  | {
      event: "incoming";
      from: { userId: string; displayName?: string };
      video: boolean;
      headers: CallHeaders;
      /** Missing when `conference` is there. */
      offer?: SessionDescription;
      /** The call comes from this conference, and `from` is who it says that it is from. */
      conference?: string;
      times: CallTimes;
      /** When it stops ringing, on the server's clock. */
      ringsUntil: number;
    }
  | ({ event: "progressing"; time: number } & Progress)
  | { event: "ringing"; time: number }
  /** To the caller of a phone: what the network plays while it rings. `answered` may bring another description. */
  | { event: "earlyMedia"; description: SessionDescription }
  /** To the caller: everything of the callee that was withheld until now. */
  | {
      event: "answered";
      /** Missing from a conference, which goes on with its own events, and from a recording (`prompt`). */
      description?: SessionDescription;
      candidates: Candidate[];
      time: number;
      /** What a SIP network has added, `x-` all of it. */
      headers?: CallHeaders;
      /** Nobody is there: this path of the server's is a recording that is to be heard. */
      prompt?: string;
    }
  | { event: "candidates"; candidates: Candidate[] }
  | { event: "description"; description: SessionDescription; candidates: Candidate[] }
  | { event: "media"; media: MediaState }
  /** From the conference that this is a call with; in order. */
  | { event: "room"; room: RoomEvent[] }
  /** The other side has sent tones beside the media. */
  | { event: "dtmf"; keys: string }
  | { event: "established"; time: number }
  /** The other side has transferred you: call `to`. This call ends right after. */
  | { event: "transferred"; to: string }
  | {
      event: "ended";
      cause: EndCause;
      times: CallTimes;
      error?: ErrorBody;
      /** Of a phone call. */
      cost?: CallCost;
      /** What a SIP network has added. */
      headers?: CallHeaders;
    };

// ---- results ----------------------------------------------------------------------------------

/**
 * The answer to an operation on a call. What the operation brought about for the connection that
 * asked comes with it and is not sent as an event as well, unless it is repeated on resume: with
 * `devices`, the answer to a `start`, the call is progressing.
 */
export interface CallResult extends Partial<Progress> {
  /** The server's clock, milliseconds since 1970. */
  time: number;
  /** The call is over by this. */
  ended?: Omit<Extract<CallEvent, { event: "ended" }>, "event">;
}

/** That a call was offered to somebody, and what its caller has to do about it. */
export interface Progress {
  /** Connected ones, and ones that a push can wake. */
  devices: number;
  /** The caller's app has to have these sent. */
  pushPairs?: PushPair[];
  /** The headers did not fit into every push that Carillon sends: a device that is woken gets them when it connects. */
  headersOmitted?: true;
  /** Of a phone call: what it will cost. */
  rate?: CallRate;
}

export interface IceServersResult {
  iceServers: IceServer[];
  /** Milliseconds since 1970, server's clock: ask again before. */
  expiresAt: number;
}

export interface PresenceResult {
  online: boolean;
  /** When the last connection of the user went, milliseconds since 1970; null for never. */
  lastSeen: number | null;
}
