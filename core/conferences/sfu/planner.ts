/**
 * What is to be asked of the SFU next, for each participant of a conference: everybody receives
 * everybody's audio, and the video that it shows. Pure: the room stores the seats and carries changes out.
 */
import { serverLimits } from "../../../protocol";
import type { PublishedTrack, SentTrack, SfuChange, SfuSeat, SfuSeats } from "./seat";
import { changing, isDue, keepTrouble, pulling, request } from "./trouble";
import { difference, ridsOf, wantedBy } from "./wanted";

export { concludeChange } from "./conclude";
export { dropSfu, hearSfu, loseChange, type SfuOperation } from "./hear";
export { nextRetry } from "./trouble";

/** To make sure of a session before anybody is told: its outcome's `session` is for `newSfuSeat(session)`. */
export const openSession: SfuChange = { type: "open", generation: 0 };

/** What to ask of the SFU next for this participant, marked in its seat as under way. */
export function nextChange(seats: SfuSeats, id: string, now: number): SfuChange | undefined {
  const seat = seats[id];
  if (!seat || seat.changing !== undefined) return undefined;
  const change = seat.answer || seat.publishing ? negotiation(seat) : adjustment(seats, id, seat, now);
  if (change) seat.changing = { generation: seat.generation, since: now };
  return change;
}

/** What the participant has said goes on to the SFU. An offer that is open is answered first. */
function negotiation(seat: SfuSeat): SfuChange | undefined {
  const { generation, session, answer, publishing } = seat;
  if (answer && session !== undefined) {
    delete seat.answer;
    return { type: "answer", generation, session, description: answer };
  }
  if (seat.offered || !publishing) return undefined;
  delete seat.publishing;
  const { description, tracks } = publishing;
  const isKept = (track: PublishedTrack) => (sent: SentTrack) =>
    sent.mid === track.mid && sent.kind === track.kind;
  const keep: SentTrack[] = [];
  const add: SentTrack[] = [];
  for (const track of tracks) {
    const sent = seat.sends.find(isKept(track));
    if (sent) keep.push({ ...track, name: sent.name, ...(sent.rids && { rids: sent.rids }) });
    else add.push(named(seat, track, description.sdp));
  }
  const stay = new Set(tracks.map(({ mid }) => mid));
  const remove = seat.sends.flatMap(({ mid }) => (stay.has(mid) ? [] : [mid]));
  return { type: "publish", generation, ...(session && { session }), description, keep, add, remove };
}

function named(seat: SfuSeat, track: PublishedTrack, sdp: string): SentTrack {
  seat.named += 1;
  const rids = track.kind === "video" ? ridsOf(sdp, track.mid) : undefined;
  return { ...track, name: `${track.kind}-${seat.named}`, ...(rids && { rids }) };
}

/** What it receives becomes what it is to receive. */
function adjustment(seats: SfuSeats, id: string, seat: SfuSeat, now: number): SfuChange | undefined {
  const { session, generation } = seat;
  if (session === undefined || seat.unused || seat.offered) return undefined;
  const wanted = wantedBy(seats, id);
  keepTrouble(seat, wanted);
  if (!isDue(seat, request, now)) return undefined;
  const { pull, layers, close } = difference(wanted, seat.receives);
  const head = { generation, session };
  const due = <T>(all: T[], key: (one: T) => string) =>
    all.filter((one) => isDue(seat, key(one), now)).slice(0, serverLimits.sfuTracksPerChange);
  const tracks = due(pull, pulling);
  if (tracks.length > 0) return { type: "pull", ...head, tracks };
  const others = due(layers, ({ mid }) => changing(mid));
  if (others.length > 0) return { type: "layers", ...head, tracks: others };
  const mids = due(close, changing);
  return mids.length > 0 ? { type: "close", ...head, mids } : undefined;
}
