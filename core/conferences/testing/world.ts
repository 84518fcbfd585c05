/** A room, and the calls of its participants as their sessions play them: for tests. */
import type {
  CallEvent,
  ErrorBody,
  ParticipantInfo,
  Result,
  RoomEvent,
  RoomOperation,
} from "../../../protocol";
import type { RoomNotice } from "../../calls/call-data";
import type { Means, RoomEffect, RoomInput } from "../inputs";
import { confirm } from "../outbox";
import { step } from "../room";
import { type Callout, newRoom, present, type Room, type Seat, seatOf } from "../room-data";

export const application = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
export const offer = { type: "offer", sdp: "v=0 offer" } as const;
export const answer = { type: "answer", sdp: "v=0 answer" } as const;

/** What a call's session does with words and events. */
export class Call {
  readonly log: { seq: number; event: CallEvent | RoomNotice }[] = [];
  /** How many of the log were taken by the room. */
  delivered = 0;
  /** The last word that was applied. */
  applied: number;
  /** A callout's session knows of it once it was told to start it. */
  started: boolean;
  readonly events: RoomEvent[] = [];
  readonly operations: unknown[] = [];
  over: { error?: ErrorBody } | undefined;
  /** It takes part in the conference; a phone hears nothing. */
  constructor(
    readonly id: string,
    readonly isCallout = false,
  ) {
    this.applied = isCallout ? 1 : 0;
    this.started = !isCallout;
  }

  tell(event: CallEvent | RoomNotice): void {
    if (!this.over) this.log.push({ seq: this.log.length + 1, event });
  }

  end(error?: ErrorBody): void {
    if (this.over) return;
    const times = { started: 0 };
    this.tell({ event: "ended", cause: error ? "failure" : "hungUp", times, ...(error && { error }) });
    this.over = { error };
  }

  /** As `hear` of a session: answers the last word that was applied, undefined when the call is over. */
  hear(n: number, words: Seat["outbox"]["words"]): number | undefined {
    if (this.over || !this.started) return undefined;
    if (n > this.applied + 1) return this.applied;
    for (const { word } of words.slice(this.applied + 1 - n)) {
      this.applied += 1;
      if (word.word === "event") this.events.push(word.event);
      else if (word.op.op === "hangup") this.end(word.op.error);
      else this.operations.push(word.op);
    }
    return this.applied;
  }

  named<T extends RoomEvent["type"]>(type: T): Extract<RoomEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<RoomEvent, { type: T }> => event.type === type);
  }

  /** Who is there besides this one, as a strict client has it from what it was told. */
  get roster(): ParticipantInfo[] {
    const [first, ...rest] = this.events;
    if (first?.type !== "joined") throw new Error(`${this.id} hears ${first?.type} first`);
    return rest.reduce(applyChange, first.participants);
  }
}

function applyChange(roster: ParticipantInfo[], event: RoomEvent): ParticipantInfo[] {
  const find = (id: string) => {
    const found = roster.find((one) => one.id === id);
    if (!found) throw new Error(`${event.type} of ${id}, who is not there`);
    return found;
  };
  if (event.type === "joined") throw new Error("joined twice");
  if (event.type === "participantJoined") {
    if (roster.some(({ id }) => id === event.participant.id)) throw new Error("somebody joined twice");
    return [...roster, event.participant];
  }
  if (event.type === "participantLeft") {
    find(event.id);
    return roster.filter(({ id }) => id !== event.id);
  }
  if (event.type !== "participantChanged") return roster;
  const { away, host, ...rest } = event.change;
  const next: ParticipantInfo = { ...find(event.change.id), ...rest };
  if (away === null) delete next.away;
  else if (away) next.away = away;
  if (host === null) delete next.host;
  else if (host !== undefined) next.host = host;
  return roster.map((one) => (one.id === next.id ? next : one));
}

export class World {
  room: Room = newRoom(application, "tea");
  /** What a crash leaves. */
  stored: Room = this.room;
  now = 1_000_000;
  readonly calls = new Map<string, Call>();
  effects: RoomEffect[] = [];
  means: Means = { sfu: false, takeCallout: () => 0 };

  input(input: RoomInput): Result<null> {
    const { room, changed, effects, result } = step(this.room, input, this.now, this.means);
    this.room = room;
    if (changed) this.stored = structuredClone(room);
    this.effects.push(...effects);
    return result;
  }

  call(id: string): Call {
    const call = this.calls.get(id);
    if (!call) throw new Error(`no call ${id}`);
    return call;
  }

  /** Somebody joins, and takes the words of the answer unless it is lost. */
  join(id: string, options: { session?: string; video?: boolean; lost?: boolean } = {}): Result<null> {
    const { session, video = false, lost = false } = options;
    const call = this.calls.get(id) ?? new Call(id);
    this.calls.set(id, call);
    const joined = this.input({ type: "join", id, userId: `user-${id}`, video, reference: "r", session });
    if (!joined.ok) call.end(joined.error);
    else if (!lost) this.hand(id);
    return joined;
  }

  callOut(id: string, callout: Partial<Callout> = {}): Result<null> {
    const to = { applicationKey: application, userId: `user-${id}` };
    const called = this.input({
      type: "callOut",
      id,
      callout: { to, video: false, headers: {}, ...callout },
      reference: "r",
    });
    if (called.ok && !this.calls.has(id)) this.calls.set(id, new Call(id, true));
    return called;
  }

  callPhone(id: string, callout: Partial<Callout> = {}): Result<null> {
    const to = { applicationKey: application, userId: "+46701740605", line: "phone" } as const;
    return this.callOut(id, { to, ...callout });
  }

  /** Something happens in a call, and the room hears of it. */
  tell(id: string, event: CallEvent | RoomNotice): void {
    this.call(id).tell(event);
    this.deliver(id);
  }

  say(id: string, operation: RoomOperation): void {
    this.tell(id, { event: "operation", operation });
  }

  answer(id: string, description?: typeof answer): void {
    this.tell(id, { event: "answered", candidates: [], time: 0, ...(description && { description }) });
  }

  hangUp(id: string): void {
    this.call(id).end();
    this.deliver(id);
  }

  /** The call's log from `from` (what was taken may come again) to `to`. */
  deliver(id: string, from = this.call(id).delivered, to = Number.POSITIVE_INFINITY): void {
    const call = this.call(id);
    const entries = structuredClone(call.log.slice(Math.min(from, call.delivered), to));
    if (entries.length > 0) this.input({ type: "heard", id, entries });
    call.delivered = Math.max(call.delivered, entries.at(-1)?.seq ?? 0);
  }

  /** Words of the outbox go to the call, from the one at `from` on; the answer may be lost. */
  hand(id: string, from = 0, isHeard = true): void {
    const seat = seatOf(this.room, id);
    const call = this.calls.get(id);
    if (!seat || !call || (seat.calling && !seat.calling.started)) return;
    const words = structuredClone(seat.outbox.words.slice(from));
    if (words.length === 0) return;
    const applied = call.hear(seat.outbox.n + from, words);
    if (!isHeard) return;
    if (applied === undefined || confirm(this.room, id, applied)) this.input({ type: "gone", id });
  }

  start(id: string): void {
    const call = this.calls.get(id);
    if (call) call.started = true;
    this.input({ type: "started", id, result: { ok: true, value: { time: this.now } } });
  }

  /** The object dies, and wakes up with what was stored. */
  crash(): void {
    this.room = structuredClone(this.stored);
    this.input({ type: "woke" });
  }

  /** Everything that is to be told or said arrives. */
  settle(): void {
    for (let before = ""; before !== this.state; ) {
      before = this.state;
      for (const id of this.calls.keys()) this.deliver(id);
      for (const { id, calling, line } of [...this.room.seats]) {
        if (calling && !calling.started && (!line || calling.offer)) this.start(id);
        this.hand(id);
      }
    }
  }

  get ids(): string[] {
    return present(this.room).map(({ id }) => id);
  }

  private get state(): string {
    return JSON.stringify([
      this.room,
      [...this.calls.values()].map(({ log, delivered }) => [log.length, delivered]),
    ]);
  }
}

/** Ids of so many. */
export const many = (count: number): string[] => Array.from({ length: count }, (_, at) => `u${at}`);

/** A room in which these are, and have heard all. */
export function worldOf(...ids: string[]): World {
  const world = new World();
  for (const id of ids) world.join(id);
  world.settle();
  return world;
}
