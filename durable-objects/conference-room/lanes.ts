import { isDue } from "../../core/conferences/callouts";
import { batch, confirm } from "../../core/conferences/outbox";
import { type Room, type Seat, seatOf } from "../../core/conferences/room-data";
import { within } from "../../core/within";
import type { CallOperation, CallResult, Result } from "../../protocol";
import type { CallSession } from "../call-session/call-session";
import { type RoomParty, roomInstance } from "../call-session/rpc";

interface Means {
  room(): Room | undefined;
  session(callId: string): DurableObjectStub<CallSession>;
  started(id: string, result: Result<CallResult>): void;
  /** A call is over, or was never there. */
  gone(id: string): void;
  clock(): number;
  wait(work: Promise<unknown>): void;
  /** Call {@link Lanes.go} again after a failure. */
  again(at: number): void;
  log(event: string, fields: Record<string, string | number>): void;
}

/** A session may be busy with its own start, to the phone network or the SFU. */
const patienceMs = 30_000;

/**
 * Carries words to the calls of participants: one thing at a time to each, in order; what comes meanwhile
 * goes with the next. So an idle lane carries at once, and a busy one in batches.
 */
export class Lanes {
  readonly #means: Means;
  readonly #busy = new Set<string>();
  /** The last word that has left, by participant, since this object woke up. */
  readonly #sent = new Map<string, number>();
  /** After failures: how many, and until when it rests. */
  readonly #resting = new Map<string, { failures: number; until: number }>();

  constructor(means: Means) {
    this.#means = means;
  }

  /** All words up to now have left in the answer to a join. */
  left(id: string): void {
    const seat = this.#seat(id);
    if (seat) this.#sent.set(id, lastOf(seat));
  }

  /** Starts what is to be carried. */
  go(): void {
    const seats = this.#means.room()?.seats ?? [];
    const there = new Set(seats.map(({ id }) => id));
    for (const id of this.#resting.keys()) if (!there.has(id)) this.#resting.delete(id);
    for (const id of this.#sent.keys()) if (!there.has(id)) this.#sent.delete(id);
    for (const { id } of seats) {
      const rest = this.#resting.get(id);
      if (this.#busy.has(id) || (rest && rest.until > this.#means.clock()) || !this.#next(id)) continue;
      this.#busy.add(id);
      this.#means.wait(this.#run(id));
    }
  }

  /** Nobody knows whether what has left was heard: it is said again. */
  doubt(): void {
    this.#sent.clear();
  }

  /** When something that failed is tried again. */
  due(): number[] {
    return [...this.#resting.values()].map(({ until }) => until);
  }

  async #run(id: string): Promise<void> {
    // What is said in the same turn goes along.
    await Promise.resolve();
    let attempt = 1;
    for (let next = this.#next(id); next && attempt <= 3; next = this.#next(id)) {
      try {
        if (await next()) attempt = 1;
        else attempt += 1;
      } catch (error) {
        this.#means.log("conference.say.failed", { callId: id, attempt, error: String(error) });
        attempt += 1;
      }
    }
    this.#busy.delete(id);
    if (attempt > 3 && this.#seat(id)) this.#rest(id);
    else this.#resting.delete(id);
  }

  #rest(id: string): void {
    const failures = (this.#resting.get(id)?.failures ?? 0) + 1;
    const until = this.#means.clock() + Math.min(30_000, 500 * 2 ** failures);
    this.#resting.set(id, { failures, until });
    // Nobody knows how much of it has come through.
    this.#sent.delete(id);
    this.#means.again(until);
  }

  /** What is to be done for a seat; it answers whether it got on. */
  #next(id: string): (() => Promise<boolean>) | undefined {
    const seat = this.#seat(id);
    if (!seat) return undefined;
    if (isDue(seat)) return () => this.#start(seat);
    if (seat.calling && !seat.calling.started) return undefined;
    const from = Math.max(seat.outbox.n, (this.#sent.get(id) ?? 0) + 1);
    return from > lastOf(seat) ? undefined : () => this.#say(seat, from);
  }

  async #start({ id, calling, reference }: Seat): Promise<boolean> {
    if (!calling) return true;
    const { to, displayName, video, headers, ringSeconds, offer } = calling;
    const line = to.line === "phone" || to.line === "sip" ? to.line : undefined;
    const op: CallOperation = {
      op: "start",
      to: to.userId,
      ...(line && { line }),
      ...(displayName !== undefined && { displayName }),
      video,
      headers,
      ...(ringSeconds !== undefined && { ringSeconds }),
      ...(offer && { offer }),
    };
    const session = this.#means.session(id);
    const request = { from: this.#party(id), callId: id, n: 1, ack: 0, op, callee: to, reference };
    const result = await inTime(async () => session.operate(request));
    this.#means.started(id, result);
    return true;
  }

  async #say({ id, outbox }: Seat, from: number): Promise<boolean> {
    const words = batch(outbox, from);
    const last = from + words.length - 1;
    const session = this.#means.session(id);
    const heard = await inTime(async () => session.hear(this.#party(id), { n: from, words }));
    if (!heard.ok) {
      this.#means.gone(id);
      return true;
    }
    const { n } = heard.value;
    // Should it have missed some, they are said again.
    this.#sent.set(id, Math.min(n, last));
    const room = this.#means.room();
    if (room && confirm(room, id, n)) this.#means.gone(id);
    return n >= last;
  }

  #seat(id: string): Seat | undefined {
    const room = this.#means.room();
    return room && seatOf(room, id);
  }

  #party(id: string): RoomParty {
    const room = this.#means.room();
    if (!room) throw new Error("no room");
    const { applicationKey, conferenceId: userId } = room;
    return { applicationKey, userId, line: "conference", instanceId: roomInstance, connectionId: id };
  }
}

/** What a session says, or an error. */
function inTime<T>(ask: () => Promise<T>): Promise<T> {
  return within(patienceMs, ask());
}

/** The number of the last word. */
function lastOf({ outbox: { n, words } }: Seat): number {
  return n + words.length - 1;
}
