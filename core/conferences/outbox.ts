/** What the room says to its participants' calls: numbered for each, kept until it is applied, bounded. */
import { byteLength, type CallOperation, type ErrorBody, type RoomEvent, serverLimits } from "../../protocol";
import type { Run } from "./inputs";
import { type Outbox, present, type Room, type Seat, seatOf } from "./room-data";
import type { RoomWord } from "./words";

/** Tells some of those who are in. Who is not, or is a phone, hears nothing. */
export function say(run: Run, event: RoomEvent, ...to: (Seat | undefined)[]): void {
  const word: RoomWord = { word: "event", event };
  const hearers = to.filter((seat) => seat?.state === "in" && !seat.line);
  if (hearers.length === 0) return;
  // One value for all of them, in storage as well.
  const waiting = { word, size: byteLength(JSON.stringify(word)) };
  for (const seat of hearers) seat?.outbox.words.push(waiting);
  run.changed = true;
}

/** Tells all but one. */
export function sayToOthers(run: Run, event: RoomEvent, but: Seat): void {
  say(run, event, ...present(run.room).filter(({ id }) => id !== but.id));
}

/** As a party of the call. */
export function operate(run: Run, seat: Seat, op: CallOperation): void {
  const word: RoomWord = { word: "operation", op };
  seat.outbox.words.push({ word, size: byteLength(JSON.stringify(word)) });
  run.changed = true;
}

/**
 * Nothing but a hang-up is left to say. Which of the words its call has applied is not known, so the
 * hang-up takes the place of each, and comes as one more: whichever is the next, it is that.
 */
export function hangUp(run: Run, { outbox }: Seat, error?: ErrorBody): void {
  const word: RoomWord = { word: "operation", op: { op: "hangup", ...(error && { error }) } };
  outbox.words = Array(outbox.words.length + 1).fill({ word, size: 0 });
  run.changed = true;
}

/**
 * A call has applied all words up to `n`. Need not be stored: should it be forgotten, they are said again.
 * Answers whether that was the last which one who leaves has to hear.
 */
export function confirm(room: Room, id: string, n: number): boolean {
  const seat = seatOf(room, id);
  if (!seat) return false;
  const { outbox } = seat;
  const applied = Math.min(n - outbox.n + 1, outbox.words.length);
  if (applied > 0) {
    outbox.words = outbox.words.slice(applied);
    outbox.n += applied;
  }
  return seat.state === "leaving" && outbox.words.length === 0;
}

/** What goes to a call at once. Its session keeps for its party what is said to it, and not much more than this. */
const batchBytes = 200_000;

/** The words from number `from` on that go together: at least one, if there is one. */
export function batch({ n, words }: Outbox, from: number): RoomWord[] {
  const together: RoomWord[] = [];
  let bytes = 0;
  for (const { word, size } of words.slice(Math.max(0, from - n))) {
    bytes += size;
    if (together.length > 0 && bytes > batchBytes) break;
    together.push(word);
  }
  return together;
}

/**
 * The one for whom the most words wait, where they are more in all than a room may keep. What was signalled
 * counts for its sender.
 */
export function overfull(room: Room): Seat | undefined {
  const sizes = new Map(room.seats.map(({ id }) => [id, 0]));
  let sum = 0;
  for (const { id, outbox } of room.seats) {
    for (const { word, size } of outbox.words) {
      const cause = signaller(word) ?? id;
      sizes.set(cause, (sizes.get(cause) ?? 0) + size);
      sum += size;
    }
  }
  if (sum <= serverLimits.roomBacklogBytes) return undefined;
  const most = Math.max(...sizes.values());
  return room.seats.find(({ id }) => sizes.get(id) === most);
}

/** What one has signalled who is out says nothing any more to those who have not heard it. */
export function withdrawSignals(room: Room, from: string): void {
  const word: RoomWord = { word: "event", event: { type: "signal", signals: [] } };
  for (const { outbox } of room.seats)
    outbox.words = outbox.words.map((one) => (signaller(one.word) === from ? { word, size: 0 } : one));
}

function signaller(said: RoomWord): string | undefined {
  return said.word === "event" && said.event.type === "signal" ? said.event.signals[0]?.peer : undefined;
}
