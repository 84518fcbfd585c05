/**
 * What conferences take: how soon all others know of one who joins, fifty who join at once, and what the app's server
 * does to one. The participants speak the protocol and send no media, so that what is measured is the server.
 *
 * Two floors, both in the same run: a bare relay through as many objects, which writes a row in the room and in each
 * participant's session, and one bare object that has everybody's socket.
 */
import type { CallOperation, RoomEvent, ServerFrame } from "../protocol";
import { Line, Phone, register } from "./client";
import type { Demo, Program } from "./programs";
import { Times } from "./stats";

const most = 50;
/** The sizes of a conference that are printed, each with those beside it. */
const sizes = [2, 4, 6, 8, 12, 25, 50];
const rooms = 5;
const storms = 5;
const mutes = 100;

export async function benchConference(demo: Demo, floor: Program): Promise<void> {
  console.log("\nConferences, platform and floors taking turns; times at the clients");
  console.log(
    "relay: a bare relay through as many objects, a row in the room and in each session; " +
      "one object: it has everybody's socket\n",
  );
  const phones = await Promise.all(
    Array.from({ length: most }, async (_, at) => {
      const { instanceToken } = await register(demo, `conf${at}`);
      return Phone.connect(demo, `conf${at}`, instanceToken);
    }),
  );
  const bare = await Bare.open(floor, most);
  await benchJoins(phones, bare);
  await benchStorms(phones, bare);
  await benchMutes(demo, phones, bare, floor);
  for (const phone of phones) phone.line.close();
  bare.close();
}

/** One after the other joins; measured until the last of the others knows. */
async function benchJoins(phones: Phone[], bare: Bare): Promise<void> {
  const joins = sizes.map((size) => ({
    size,
    own: new Times(),
    relay: new Times(),
    one: new Times(),
    frames: 0,
  }));
  for (let round = 0; round < rooms; round++) {
    const room = crypto.randomUUID();
    const all: Participant[] = [];
    for (const phone of phones) {
      const before = sum(all, ({ frames }) => frames);
      const one = Participant.join(phone, room);
      all.push(one);
      const own = await took(one.began, all, all.length - 1);
      const size = all.length;
      if (size === 1) continue;
      const frames = sum(all, (each) => each.frames) - before;
      const relay = await bare.tell(size);
      const single = await bare.tellAtOnce(size);
      for (const join of joins) {
        if (Math.abs(join.size - size) > (join.size < 10 ? 0 : 2)) continue;
        join.own.add(own);
        join.relay.add(relay);
        join.one.add(single);
        if (join.size === size) join.frames = frames;
      }
    }
    await leave(all);
  }
  console.log(
    `join → all others know and the one who joins knows them, ${rooms} conferences one after the other`,
  );
  for (const { size, own, relay, one, frames } of joins)
    console.log(
      `${compared(`number ${size}`, own, { relay, "one object": one })}   ${frames} frames to clients`,
    );
}

/** Fifty at once; measured until each of them knows all others. */
async function benchStorms(phones: Phone[], bare: Bare): Promise<void> {
  const [own, relay, one] = [new Times(), new Times(), new Times()];
  let frames = 0;
  for (let round = 0; round < storms; round++) {
    const room = crypto.randomUUID();
    const all = phones.map((phone) => Participant.join(phone, room));
    own.add(await took(all[0]?.began ?? 0, all, most - 1));
    frames = sum(all, (each) => each.frames);
    relay.add(await bare.storm());
    one.add(await bare.stormAtOnce());
    await leave(all);
  }
  console.log(`\n${most} join at once → each knows the ${most - 1} others, ${storms} times`);
  console.log(`${compared("all know all", own, { relay, "one object": one })}   ${frames} frames to clients`);
}

/** The app's server silences one of six. */
async function benchMutes(demo: Demo, phones: Phone[], bare: Bare, floor: Program): Promise<void> {
  const size = 6;
  const room = crypto.randomUUID();
  const all: Participant[] = [];
  for (const phone of phones.slice(0, size)) {
    all.push(Participant.join(phone, room));
    await Promise.all(all.map((each) => each.knows(all.length - 1)));
  }
  const [target] = all;
  if (!target) throw new Error("nobody");
  const authorization = `Basic ${btoa(`${demo.applicationKey}:${demo.applicationSecret}`)}`;
  const url = `${demo.url}/calling/v1/conferences/id/${room}/${target.callId}`;
  const [own, others, relay] = [new Times(), new Times(), new Times()];
  for (let round = -10; round < mutes; round++) {
    const command = round % 2 === 0 ? "mute" : "unmute";
    const body = JSON.stringify({ command });
    const muted = command === "mute";
    const heard = all.map((each) => each.hearsSilence(target.callId, muted));
    const began = performance.now();
    const headers = { authorization, "content-type": "application/json" };
    const answer = fetch(url, { method: "PATCH", headers, body });
    const [first = 0, ...rest] = await Promise.all(heard);
    const response = await answer;
    await response.text();
    if (!response.ok) throw new Error(`${command}: ${response.status}`);
    const bareTime = await bare.post(floor, size);
    if (round < 0) continue;
    own.add(first - began);
    others.add(Math.max(...rest) - began);
    relay.add(bareTime);
  }
  console.log(`\nREST mute and unmute of one of ${size}, ${mutes} times`);
  console.log(compared("→ its SDK has `silence`", own, { relay }));
  console.log(compared("→ all others know", others, { relay }));
  await leave(all);
}

/** A line: ours, and the floors. */
function compared(name: string, own: Times, floors: Record<string, Times>): string {
  const ms = (value: number) => `${value.toFixed(1)} ms`.padStart(9);
  const beside = Object.entries(floors).map(
    ([what, times]) => `${what} ${ms(times.p50)} (ratio ${(own.p50 / times.p50).toFixed(2)})`,
  );
  return `${name.padEnd(26)} p50 ${ms(own.p50)}  p95 ${ms(own.at(0.95))}   ${beside.join("   ")}`;
}

const sum = <T>(all: T[], of: (one: T) => number) => all.reduce((total, one) => total + of(one), 0);

/** From then until all of them know so many others. */
async function took(began: number, all: Participant[], others: number): Promise<number> {
  return Math.max(...(await Promise.all(all.map((each) => each.knows(others))))) - began;
}

async function leave(all: Participant[]): Promise<void> {
  await Promise.all(all.map((each) => each.leave()));
}

/** As many events as the SDK takes before it acknowledges them. */
const acknowledgeEvents = 16;

/** A user in a conference, who counts what it is told. */
class Participant {
  readonly began = performance.now();
  readonly callId = crypto.randomUUID();
  /** Socket frames of this call. */
  frames = 0;
  #joined = false;
  #ended: string | undefined;
  readonly #others = new Set<string>();
  #wishes: (() => boolean)[] = [];
  readonly #silences: { id: string; muted: boolean; heard: (at: number) => void }[] = [];
  #unacknowledged = 0;

  private constructor(private readonly phone: Phone) {
    phone.line.socket.addEventListener("message", this.#listen);
  }

  static join(phone: Phone, conference: string): Participant {
    const one = new Participant(phone);
    const start = { op: "start", to: conference, line: "conference", video: false, headers: {} } as const;
    phone.do(one.callId, start satisfies CallOperation);
    return one;
  }

  /** Resolves with the time at which this one is in and knows so many others. */
  knows(others: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const look = () => {
        if (this.#ended) reject(new Error(`ended: ${this.#ended}`));
        else if (this.#joined && this.#others.size === others) resolve(performance.now());
        else return false;
        return true;
      };
      if (!look()) this.#wishes.push(look);
    });
  }

  /** Resolves with the time at which this one knows that somebody, or itself, is silenced, or is not. */
  hearsSilence(id: string, muted: boolean): Promise<number> {
    return new Promise((heard) => this.#silences.push({ id, muted, heard }));
  }

  async leave(): Promise<void> {
    this.phone.do(this.callId, { op: "hangup" });
    await this.phone.settled();
    this.phone.line.socket.removeEventListener("message", this.#listen);
  }

  readonly #listen = ({ data }: MessageEvent): void => {
    const frame = JSON.parse(String(data)) as ServerFrame;
    if (frame.type !== "call" || frame.callId !== this.callId) return;
    this.frames += 1;
    const { event, seq } = frame;
    if (event.event === "ended") this.#ended = event.error?.name ?? event.cause;
    if (event.event === "room") for (const each of event.room) this.#hear(each);
    this.#unacknowledged += 1;
    if (this.#unacknowledged >= acknowledgeEvents) {
      this.#unacknowledged = 0;
      this.phone.line.say({ type: "ack", calls: [{ callId: this.callId, ack: seq }] });
    }
    this.#wishes = this.#wishes.filter((look) => !look());
  };

  #hear(event: RoomEvent): void {
    if (event.type === "joined") {
      this.#joined = true;
      for (const { id } of event.participants) this.#others.add(id);
    } else if (event.type === "participantJoined") this.#others.add(event.participant.id);
    else if (event.type === "participantLeft") this.#others.delete(event.id);
    else if (event.type === "silence") this.#silenced(this.callId, event.silence.muted);
    else if (event.type === "participantChanged" && event.change.silence)
      this.#silenced(event.change.id, event.change.silence.muted);
  }

  #silenced(id: string, muted: boolean): void {
    const at = this.#silences.findIndex((wish) => wish.id === id && wish.muted === muted);
    if (at >= 0) this.#silences.splice(at, 1)[0]?.heard(performance.now());
  }
}

interface Told {
  id: number;
}

/** The floors of a conference: sockets at an object each, and sockets at one object. */
class Bare {
  #id = 0;

  private constructor(
    private readonly name: string,
    private readonly hubs: Line<Told>[],
    private readonly inRoom: Line<Told>[],
  ) {}

  static async open(floor: Program, count: number): Promise<Bare> {
    const name = crypto.randomUUID();
    const open = (path: string) => Line.open<Told>(`${floor.url}/${path}`);
    const hubs = Array.from({ length: count }, (_, at) => open(`${name}-hub-${at}`));
    const inRoom = Array.from({ length: count }, () => open(`${name}-at-once`));
    return new Bare(name, await Promise.all(hubs), await Promise.all(inRoom));
  }

  close(): void {
    for (const line of [...this.hubs, ...this.inRoom]) line.close();
  }

  /** By way of a fresh session and the room to the sessions and hubs of all, the one who says it among them. */
  async tell(size: number): Promise<number> {
    const id = this.#next();
    const began = performance.now();
    this.#say(0, id, size);
    await Promise.all(this.hubs.slice(0, size).map((hub) => hub.next((frame) => frame.id === id)));
    return performance.now() - began;
  }

  /** Everybody's socket is at one object, which tells all of them. */
  async tellAtOnce(size: number): Promise<number> {
    const id = this.#next();
    const began = performance.now();
    this.inRoom[0]?.say({ path: [`${this.name}-at-once`], writes: `${this.name}-at-once`, id });
    await Promise.all(this.inRoom.slice(0, size).map((socket) => socket.next((frame) => frame.id === id)));
    return performance.now() - began;
  }

  /** All say something at once; measured until each has heard all. */
  async storm(): Promise<number> {
    const ids = this.hubs.map(() => this.#next());
    const began = performance.now();
    for (const [at, id] of ids.entries()) this.#say(at, id, this.hubs.length);
    await Promise.all(this.hubs.map((hub) => all(hub, ids)));
    return performance.now() - began;
  }

  async stormAtOnce(): Promise<number> {
    const ids = this.inRoom.map(() => this.#next());
    const began = performance.now();
    const room = `${this.name}-at-once`;
    for (const [at, id] of ids.entries()) this.inRoom[at]?.say({ path: [room], writes: room, id });
    await Promise.all(this.inRoom.map((socket) => all(socket, ids)));
    return performance.now() - began;
  }

  /** An app's server says it. */
  async post(floor: Program, size: number): Promise<number> {
    const id = this.#next();
    const room = `${this.name}-room`;
    const heard = this.hubs.slice(0, size).map((hub) => hub.next((frame) => frame.id === id));
    const began = performance.now();
    const body = JSON.stringify({ path: [room], writes: room, fan: this.#fan(size), id });
    const answer = fetch(`${floor.url}/${room}`, { method: "POST", body });
    await heard[0];
    const time = performance.now() - began;
    await Promise.all(heard);
    await (await answer).text();
    return time;
  }

  #say(at: number, id: number, size: number): void {
    const room = `${this.name}-room`;
    const path = [`${this.name}-hub-${at}`, `${this.name}-session-${id}`, room];
    this.hubs[at]?.say({ path, writes: room, fan: this.#fan(size), id });
  }

  #fan(size: number): string[][] {
    return Array.from({ length: size }, (_, at) => [
      `${this.name}-session-of-${at}`,
      `${this.name}-hub-${at}`,
    ]);
  }

  #next(): number {
    this.#id += 1;
    return this.#id;
  }
}

/** Each of these, in whatever order. */
async function all(line: Line<Told>, ids: number[]): Promise<void> {
  const left = new Set(ids);
  while (left.size > 0) left.delete((await line.next(() => true)).id);
}
