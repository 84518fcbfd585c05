/** What participants say that is for the SFU, and the end of a session. */
import { errorBody, type RoomEvent, type RoomOperation, serverLimits } from "../../../protocol";
import type { SfuSeat, SfuSeats } from "./seat";

export type SfuOperation = Extract<RoomOperation, { type: "publish" | "sfuAnswer" | "show" }>;

/** What a participant says of its media; events for it. Changes the seats. */
export function hearSfu(seats: SfuSeats, id: string, op: SfuOperation): RoomEvent[] {
  const seat = seats[id];
  if (!seat) return [];
  if (op.type === "show") seat.show = op.videos;
  else if (op.type === "publish") hearPublication(seat, op);
  else if (seat.offered && op.offer === seat.offers) {
    if (op.description.type !== "answer") return giveUp(seat, "no answer to an offer");
    delete seat.offered;
    seat.answer = op.description;
  }
  return [];
}

function hearPublication(seat: SfuSeat, op: Extract<SfuOperation, { type: "publish" }>): void {
  const first = seat.session === undefined && !seat.lost;
  if (op.fresh || first) {
    if (!seat.unused) renew(seat);
    seat.sessions += 1;
    // An offer of ours crosses it, and stands; or it knows too little: it will publish again.
  } else if (seat.lost || op.heard < seat.offers) return;
  const { description, tracks } = op;
  seat.publishing = { description, tracks: tracks.slice(0, serverLimits.sfuTracksPerChange) };
}

/** Everything that belongs to a session goes with it. */
function renew(seat: SfuSeat): void {
  for (const name of ["session", "unused", "lost", "publishing", "offered", "answer"] as const)
    delete seat[name];
  seat.generation += 1;
  Object.assign(seat, {
    sends: [],
    receives: [],
    named: 0,
    offers: 0,
    trouble: {},
  } satisfies Partial<SfuSeat>);
}

/** The session is of no use any more. Nobody receives from it; the participant is asked for a new one. */
export function giveUp(seat: SfuSeat, detail: string): RoomEvent[] {
  renew(seat);
  seat.lost = true;
  return [
    {
      type: "sfuFailed",
      session: seat.sessions,
      error: errorBody("unavailable", { detail: `SFU: ${detail}` }),
    },
  ];
}

/** It left: what others receive of it is to be closed. */
export function dropSfu(seats: SfuSeats, id: string): void {
  delete seats[id];
}

/** The outcome of the change under way will never be known. Events for the participant. */
export function loseChange(seats: SfuSeats, id: string): RoomEvent[] {
  const seat = seats[id];
  if (seat?.changing === undefined) return [];
  const current = seat.changing.generation === seat.generation;
  delete seat.changing;
  return current ? giveUp(seat, "an answer was lost") : [];
}
