/**
 * What is to be asked of the SFU next, for each participant of a conference: everybody receives
 * everybody's audio, and the video that it shows. Pure: the room stores the seats and carries changes out.
 */
import type { RoomEvent, RoomOperation } from "../../../protocol";
import type { SfuChange, SfuOutcome, SfuSeats } from "./seat";

export type SfuOperation = Extract<RoomOperation, { type: "publish" | "sfuAnswer" | "show" }>;

/** To make sure of a session before anybody is told: its outcome's `session` is for `newSfuSeat(session)`. */
export const openSession: SfuChange = { type: "open", generation: 0 };

/** What a participant says of its media; events for it. Changes the seats. */
export function hearSfu(_seats: SfuSeats, _id: string, _op: SfuOperation): RoomEvent[] {
  throw new Error("not there yet");
}

/** It left: what others receive of it is to be closed. */
export function dropSfu(seats: SfuSeats, id: string): void {
  delete seats[id];
}

/** What to ask of the SFU next for this participant, marked in its seat as under way. */
export function nextChange(_seats: SfuSeats, _id: string, _now: number): SfuChange | undefined {
  throw new Error("not there yet");
}

/** A change has come to its end. Events for the participant. */
export function concludeChange(
  _seats: SfuSeats,
  _id: string,
  _change: SfuChange,
  _outcome: SfuOutcome,
  _now: number,
): RoomEvent[] {
  throw new Error("not there yet");
}

/** The outcome of the change under way will never be known. Events for the participant. */
export function loseChange(_seats: SfuSeats, _id: string): RoomEvent[] {
  throw new Error("not there yet");
}

/** When {@link nextChange} may have something because a failure has waited long enough: for an alarm. */
export function nextRetry(_seats: SfuSeats): number | undefined {
  throw new Error("not there yet");
}
