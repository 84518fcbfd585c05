/**
 * What a conference room says to the call of one of its participants. Words are numbered from 1 for each
 * call, kept by the room until the call's session has applied them, and applied once.
 */
import type { CallOperation, RoomEvent } from "../../protocol";

export type RoomWord =
  /** To the participant. */
  | { word: "event"; event: RoomEvent }
  /** To the session, as a party of the call: `hangup`, and `description` for a phone. */
  | { word: "operation"; op: CallOperation };

/** Words from number `n` on, without a gap. */
export interface RoomWords {
  n: number;
  words: RoomWord[];
}
