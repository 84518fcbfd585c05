/** What follows from the SFU's answers. */
import type { RoomEvent } from "../../../protocol";
import { giveUp } from "./hear";
import type { SfuChange, SfuOutcome, SfuSeat, SfuSeats, TrackOutcome } from "./seat";
import { changing, forgiveSender, note, pulling, request, settle } from "./trouble";

type Change<T extends SfuChange["type"]> = Extract<SfuChange, { type: T }>;
type Done = Extract<SfuOutcome, { kind: "done" }>;

/** A change has come to its end. Events for the participant. Changes the seats. */
export function concludeChange(
  seats: SfuSeats,
  id: string,
  change: SfuChange,
  outcome: SfuOutcome,
  now: number,
): RoomEvent[] {
  const seat = seats[id];
  if (seat?.changing?.generation !== change.generation) return [];
  const current = seat.generation === change.generation;
  delete seat.changing;
  // The participant has begun anew meanwhile.
  if (!current) return [];
  if (outcome.kind !== "done") return concludeFailure(seat, change, outcome, now);
  settle(seat, request);
  if (change.type === "publish") return concludePublication(seats, seat, change, outcome);
  if (change.type === "pull") return concludePull(seat, change, outcome, now);
  if (change.type === "layers") concludeLayers(seat, change, outcome.tracks, now);
  return change.type === "close" ? concludeClosing(seat, change, outcome.tracks, now) : [];
}

function concludeFailure(
  seat: SfuSeat,
  change: SfuChange,
  { kind, detail }: Exclude<SfuOutcome, Done>,
  now: number,
): RoomEvent[] {
  // No negotiation hangs on these: they may be repeated, or left.
  const harmless = change.type === "layers" || change.type === "close";
  if (kind === "refused" && harmless) {
    const failed = (change.type === "layers" ? change.tracks : change.mids).map(() => ({ error: detail }));
    if (change.type === "close") return concludeClosing(seat, change, failed, now);
    concludeLayers(seat, change, failed, now);
    return [];
  }
  const again = kind === "later" && (harmless || change.type === "pull") && note(seat, request, now);
  return again ? [] : giveUp(seat, detail);
}

function concludePublication(
  seats: SfuSeats,
  seat: SfuSeat,
  { add, keep }: Change<"publish">,
  { session, description, tracks }: Done,
): RoomEvent[] {
  if (description?.type !== "answer") return giveUp(seat, "no answer to what was published");
  const failed = add.flatMap((track, at) => (tracks[at]?.error === undefined ? [] : [track]));
  // Somebody who is not heard is to know. Without a video of theirs they stay heard.
  if (failed.some(({ kind }) => kind === "audio")) return giveUp(seat, "a voice could not be published");
  seat.session = session;
  delete seat.unused;
  seat.sends = [...keep, ...add.filter((track) => !failed.includes(track))];
  forgiveSender(seats, session);
  return [{ type: "sfuAnswer", session: seat.sessions, description }];
}

function concludePull(
  seat: SfuSeat,
  { tracks }: Change<"pull">,
  { description, tracks: outcomes }: Done,
  now: number,
): RoomEvent[] {
  const received = tracks.flatMap((track, at) => {
    const { mid, error } = outcomes[at] ?? {};
    if (mid === undefined || error !== undefined) {
      note(seat, pulling(track), now);
      return [];
    }
    settle(seat, pulling(track));
    return { ...track, mid };
  });
  if (description?.type !== "offer")
    return received.length > 0 ? giveUp(seat, "tracks without an offer") : [];
  const mids = new Set(received.map(({ mid }) => mid));
  seat.receives = [...seat.receives.filter(({ mid }) => !mids.has(mid)), ...received];
  seat.offers += 1;
  seat.offered = true;
  // This offer crosses what it has published meanwhile, and stands.
  delete seat.publishing;
  const named = received.map(({ mid, id, kind }) => ({ mid, id, kind }));
  return [{ type: "sfuOffer", session: seat.sessions, offer: seat.offers, description, tracks: named }];
}

function concludeLayers(
  seat: SfuSeat,
  { tracks }: Change<"layers">,
  outcomes: TrackOutcome[],
  now: number,
): void {
  for (const [at, { mid, rid }] of tracks.entries()) {
    const failed = outcomes[at] === undefined || outcomes[at].error !== undefined;
    const received = seat.receives.find((track) => track.mid === mid);
    // What cannot be had is left as it is, rather than asked for without end.
    if (!received || (failed && note(seat, changing(mid), now))) continue;
    settle(seat, changing(mid));
    received.rid = rid;
  }
}

function concludeClosing(
  seat: SfuSeat,
  { mids }: Change<"close">,
  outcomes: TrackOutcome[],
  now: number,
): RoomEvent[] {
  const closed = mids.filter((mid, at) => {
    const { error } = outcomes[at] ?? { error: "missing" };
    const gone = error === undefined || error === "close_track_error";
    return gone || !note(seat, changing(mid), now);
  });
  for (const mid of closed) settle(seat, changing(mid));
  seat.receives = seat.receives.filter(({ mid }) => !closed.includes(mid));
  return closed.length > 0 ? [{ type: "sfuClosed", session: seat.sessions, mids: closed }] : [];
}
