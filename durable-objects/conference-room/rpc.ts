/** What sessions and the edge ask of a {@link ConferenceRoom}. */
import type { LogEntry } from "../../core/calls/call-data";
import type { Command } from "../../core/conferences/inputs";
import type { Callout as RoomCallout } from "../../core/conferences/room-data";
import type { RoomWords } from "../../core/conferences/words";
import type { ParticipantInfo } from "../../protocol";
import type { UserAddress } from "../user-hub/rpc";

/** A conference, fully named: the key of a room. */
export interface RoomAddress {
  applicationKey: string;
  /** 1 to 64 characters. */
  conferenceId: string;
}

/** A user joins by a call of its own. Said again for a call that is in, it changes nothing. */
export interface Join extends RoomAddress {
  callId: string;
  user: UserAddress;
  displayName?: string;
  /** It sends video from the start. */
  video: boolean;
  reference: string;
}

/** What has happened in a participant's call, in the order of `seq`; repetitions are known by it. Empty: a question. */
export interface RoomDelivery extends RoomAddress {
  callId: string;
  entries: Pick<LogEntry, "seq" | "event">[];
}

/** A call of the room's that brings somebody in. */
export interface Callout extends RoomAddress, RoomCallout {
  /** A new UUID. */
  callId: string;
  reference: string;
}

export type { Command };

/** One in the list that the REST API gives. Its `silence` is what holds: its own doing and the server's together. */
export interface ListedParticipant extends ParticipantInfo {
  /** Whole seconds since it joined. */
  duration: number;
}

/** The room's answer to a {@link Join}: its first words. */
export type Joined = RoomWords;
