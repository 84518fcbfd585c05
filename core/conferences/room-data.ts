/**
 * The data of one conference: everything that its room has to remember, as one plain value that goes into
 * storage as it is.
 */
import type {
  CallHeaders,
  MediaPlan,
  MediaState,
  ParticipantInfo,
  SessionDescription,
  Silence,
} from "../../protocol";
import type { CallUser } from "../calls/call-data";
import type { SfuSeats } from "./sfu/seat";
import type { RoomWord } from "./words";

/** A call that the room makes. */
export interface Callout {
  /** A user of this application, or what `line` says: resolved and allowed. */
  to: CallUser;
  /** What the callee sees as the caller's name: for a phone, a number that its trunk may show. */
  displayName?: string;
  video: boolean;
  headers: CallHeaders;
  ringSeconds?: number;
  /** Who has invited: hears what becomes of it. */
  inviter?: string;
}

/** A {@link Callout} that nobody has answered yet. */
export interface Calling extends Callout {
  /** When it could be started first: a phone with its host's offer. */
  since: number;
  /** To a phone: what its host offers. It is not dialled before. */
  offer?: SessionDescription;
  /** Its session has it; should that be forgotten, it is started again, which changes nothing. */
  started?: true;
  /** Of its progress, what the inviter was told last. */
  told?: "progressing" | "ringing";
  /** Somebody is there, and waits for the SFU, which was asked at this time. */
  answered?: number;
}

/** How a phone is connected with its host. */
export interface Bridge {
  /** Until when its host has to have made an offer. */
  by?: number;
  /** Whose offer its gateway has, and has not answered. */
  asked?: string;
  /** An offer that has its turn after that, or when the phone was answered. */
  waiting?: SessionDescription;
  /** A host that could not do it, since the last one that could. */
  failed?: string;
}

/** Words for one participant's call, kept until that has applied them. */
export interface Outbox {
  /** The number of the first. */
  n: number;
  words: { word: RoomWord; size: number }[];
}

export interface Seat {
  /** The id of its call. */
  id: string;
  userId: string;
  /** Missing for a user. */
  line?: "phone" | "sip";
  displayName?: string;
  reference: string;
  /** `leaving`: it is out, and its call has not heard of that yet. */
  state: "calling" | "in" | "leaving";
  /** When it came in. */
  joined: number;
  media: MediaState;
  silence: Silence;
  away?: true;
  /** Of a phone: the participant that is its host. */
  host?: string;
  /** Of a phone: the user who has invited it. Missing where the app's server has. */
  invitedBy?: string;
  calling?: Calling;
  bridge?: Bridge;
  /** What each user has signalled to it lately: bytes, less what may be said each second since. */
  signalled?: Record<string, { bytes: number; at: number }>;
  /** The seq of the last event of its call. */
  heard: number;
  outbox: Outbox;
}

export interface Room {
  applicationKey: string;
  conferenceId: string;
  plan: MediaPlan;
  /** In the order in which they came. */
  seats: Seat[];
  /** By participant, where the plan is `sfu`. */
  sfu: SfuSeats;
}

export function newRoom(applicationKey: string, conferenceId: string): Room {
  return { applicationKey, conferenceId, plan: "mesh", seats: [], sfu: {} };
}

export function seatOf(room: Room, id: string | undefined): Seat | undefined {
  return room.seats.find((seat) => seat.id === id);
}

/** Those who are in. */
export function present(room: Room): Seat[] {
  return room.seats.filter(({ state }) => state === "in");
}

/** Those who are in and have a peer connection with others: no phones. */
export function users(room: Room): Seat[] {
  return present(room).filter(({ line }) => !line);
}

/** Those who are in or are being called. */
export function expected(room: Room): Seat[] {
  return room.seats.filter(({ state }) => state !== "leaving");
}

/** One participant, as all others know it. */
export function infoOf(seat: Seat): ParticipantInfo {
  const { id, userId, displayName, line, joined, media, silence, away, host } = seat;
  return {
    id,
    userId,
    ...(displayName !== undefined && { displayName }),
    ...(line && { line }),
    joined,
    media,
    silence,
    ...(away && { away }),
    ...(host !== undefined && { host }),
  };
}

/** Who is in, with what holds of each: its own doing and the server's together. */
export function listOf(room: Room, now: number): (ParticipantInfo & { duration: number })[] {
  return present(room).map((seat) => {
    const { media, silence } = seat;
    return {
      ...infoOf(seat),
      silence: { muted: media.muted || silence.muted, held: media.held || silence.held },
      duration: Math.max(0, Math.floor((now - seat.joined) / 1_000)),
    };
  });
}
