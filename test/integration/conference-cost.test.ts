/**
 * What a conference costs the people who run this: requests to objects and rows written by one who joins, by a
 * mute and by a leave, counted over everything that takes part. None may grow faster than the room, since everybody
 * in it has to be told, and Cloudflare bills each.
 */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { CallSession } from "../../durable-objects/call-session/call-session";
import { ConferenceRoom } from "../../durable-objects/conference-room/conference-room";
import { callSession, conferenceRoom, userHub } from "../../durable-objects/names";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import type { ParticipantInfo } from "../../protocol";
import { Participant } from "./conference-world";
import { application, bindings, hangup, offer, Peer, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

interface Cost {
  requests: number;
  frames: number;
  rows: number;
  /** Requests to the SFU. */
  asked: number;
}

/** A participant with a voice, and how many of the SFU's offers it has answered. */
type Talker = Participant & { talks: boolean; answers: number };

/** One conference, all of whose objects are watched. */
class World {
  readonly all: Talker[] = [];
  readonly name = someone("room");
  readonly #address = { applicationKey: application, conferenceId: this.name };
  /** Requests to objects, alarms among them; frames from clients are requests, too, and counted apart. */
  readonly #requests = [UserHub, CallSession, ConferenceRoom].flatMap(spies);
  readonly #frames = vi.spyOn(UserHub.prototype, "webSocketMessage");
  readonly #sfu = vi.spyOn(globalThis, "fetch").mockImplementation(agreeableSfu());

  readonly #hubs: DurableObjectStub<UserHub>[] = [];

  /** Somebody who is connected, and not in yet. */
  async connect(): Promise<Peer> {
    const peer = await Peer.connect(someone("user"));
    this.#hubs.push(userHub(bindings, peer.user));
    return peer;
  }

  async join(peer: Peer): Promise<Talker> {
    const one = Object.assign(await Participant.join(this.name, { peer }), { talks: false, answers: 0 });
    this.all.push(one);
    for (const each of this.all) await each.sees(...this.all);
    return one;
  }

  /** The room is in a deployment that has an SFU. */
  async haveSfu(): Promise<void> {
    const settings = { SFU_APP_ID: "app", SFU_APP_SECRET: "secret", SFU_URL: "https://sfu.invalid/v1" };
    await runInDurableObject(conferenceRoom(bindings, this.#address), (room) => {
      Object.assign(room, { env: { ...bindings, ...settings } });
    });
  }

  /** Each publishes its voice when media goes through the SFU, and receives all others'. */
  async hearAll(): Promise<void> {
    for (const one of this.all) {
      await one.until(() => one.events.some((event) => "plan" in event && event.plan === "sfu"));
      if (one.talks) continue;
      one.talks = true;
      await one.say({
        type: "publish",
        description: offer,
        tracks: [{ mid: "0", kind: "audio" }],
        heard: 0,
        fresh: true,
      });
    }
    await Promise.all(this.all.map((one) => this.#receiveAll(one)));
  }

  /** Answers each offer until it has everybody else's voice. */
  async #receiveAll(one: Talker): Promise<void> {
    const missing = () => {
      const received = one.named("sfuOffer").flatMap(({ tracks }) => tracks.map(({ id }) => id));
      return this.all.some(({ id }) => id !== one.id && !received.includes(id));
    };
    for (;;) {
      const next = await one.until(() => {
        const unanswered = one.named("sfuOffer")[one.answers];
        return unanswered ?? (missing() ? undefined : ("all" as const));
      });
      if (next === "all") return;
      one.answers += 1;
      await one.say({ type: "sfuAnswer", offer: next.offer, description: { type: "answer", sdp: "v=0" } });
    }
  }

  async mute(one: Participant): Promise<void> {
    await conferenceRoom(bindings, this.#address).command(this.#address, one.id, "mute");
    const isMuted = ({ id, silence }: ParticipantInfo) => id === one.id && silence.muted;
    for (const each of this.all) {
      if (each === one) await one.event("silence");
      else await each.until(() => each.roster.some(isMuted));
    }
  }

  async leave(one: Participant): Promise<void> {
    await one.op(hangup);
    const others = this.all.filter((each) => each !== one);
    for (const each of others) await each.sees(...others);
  }

  /** What something costs until nothing is under way any more. */
  async cost(act: () => Promise<unknown>): Promise<Cost> {
    await this.#quiet();
    const before = await this.#counts();
    await act();
    await this.#quiet();
    const after = await this.#counts();
    return {
      requests: after.requests - before.requests,
      frames: after.frames - before.frames,
      rows: after.rows - before.rows,
      asked: after.asked - before.asked,
    };
  }

  /** What was asked was answered, and nothing was asked since: twice in a row. */
  async #quiet(): Promise<void> {
    for (let seen = -1, still = 0; still < 2; ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const spies = [...this.#requests, this.#frames, this.#sfu];
      const asked = spies.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
      const open = spies.some((spy) => spy.mock.settledResults.some(({ type }) => type === "incomplete"));
      still = asked === seen && !open ? still + 1 : 0;
      seen = asked;
    }
  }

  async #counts(): Promise<Cost> {
    const requests = this.#requests.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
    const objects = [
      conferenceRoom(bindings, this.#address),
      ...this.all.map(({ id }) => callSession(bindings, application, id)),
      ...this.#hubs,
    ];
    const rows = await Promise.all(objects.map((stub) => rowsOf(stub as never)));
    return {
      requests,
      frames: this.#frames.mock.calls.length,
      rows: rows.reduce((sum, each) => sum + each, 0),
      asked: this.#sfu.mock.calls.length,
    };
  }
}

/** Agrees to everything: no media runs. */
function agreeableSfu(): typeof fetch {
  let count = 0;
  const next = () => String(++count);
  return async (url, init) => {
    if (String(url).endsWith("/sessions/new"))
      return Response.json({ sessionId: `session ${next()}` }, { status: 201 });
    const body = JSON.parse(String(init?.body)) as { tracks?: { location?: string; mid?: string }[] };
    const isRemote = body.tracks?.some(({ location }) => location === "remote");
    const tracks = body.tracks?.map((track) => ({ ...track, mid: track.mid ?? next() }));
    return Response.json({ tracks, sessionDescription: { type: isRemote ? "offer" : "answer", sdp: "v=0" } });
  };
}

/** All that can be asked of a kind of object. */
function spies({ prototype }: { prototype: object }) {
  const names = Object.getOwnPropertyNames(prototype).filter(
    (name) => name !== "constructor" && name !== "fetch" && !name.startsWith("webSocket"),
  );
  return names.map((name) => vi.spyOn(prototype as Record<string, () => Promise<unknown>>, name));
}

/** Rows that an object's storage has written since it woke up; alarms are rows too. */
const rowsOf = (stub: DurableObjectStub<UserHub>): Promise<number> =>
  runInDurableObject(stub, (_, state) =>
    Number(state.storage.sql.exec("select total_changes() as rows").one().rows),
  );

function print(size: number, what: string, { requests, frames, rows, asked }: Cost): void {
  const sfu = asked > 0 ? `, ${asked} requests to the SFU` : "";
  console.info(
    `cost of a conference of ${size}: ${what} ${requests} RPC and alarms + ${frames} socket frames, ${rows} rows${sfu}`,
  );
}

/** Bounds are promises: so much, and so much more for each that is in. */
interface Bound {
  requests: [fixed: number, each: number];
  rows: [fixed: number, each: number];
}

function expectWithin({ requests, rows }: Cost, bound: Bound, size: number): void {
  expect(requests).toBeLessThanOrEqual(bound.requests[0] + bound.requests[1] * size);
  expect(rows).toBeLessThanOrEqual(bound.rows[0] + bound.rows[1] * size);
}

// The room's word to each is a request to its session, which stores it, and one to its hub.
const bounds: Record<"join" | "voice" | "mute" | "leave", Bound> = {
  // One row of each is the alarm that says what a crash has kept from being said: one in 30 seconds for all.
  join: { requests: [2, 2], rows: [4, 1] },
  // On top of that an offer to each, with its answer: two words to the room's step, and two requests to the SFU.
  // Alarms are in it, and what did not travel together on a busy machine: some more than the 6 that it takes.
  voice: { requests: [12, 6], rows: [7, 6] },
  mute: { requests: [1, 2], rows: [2, 1] },
  leave: { requests: [0, 2], rows: [2, 1] },
};

it("grows no faster than the room", { timeout: 60_000 }, async () => {
  const world = new World();
  await world.haveSfu();
  const sizes = [1, 2, 4, 6, 12, 25, 50];
  for (let size = 1; size <= 50; size += 1) {
    const peer = await world.connect();
    const isMeasured = sizes.includes(size);
    const join = await (isMeasured ? world.cost(() => world.join(peer)) : world.join(peer));
    const last = world.all.at(-1);
    if (!last || !("rows" in join)) continue;
    const mute = await world.cost(() => world.mute(last));
    print(size, "a join", join);
    print(size, "a mute", mute);
    expectWithin(join, bounds.join, size);
    expectWithin(mute, bounds.mute, size);
  }
  const leaver = world.all.at(-1);
  if (!leaver) throw new Error("nobody");
  const leave = await world.cost(() => world.leave(leaver));
  print(50, "a leave", leave);
  expectWithin(leave, bounds.leave, 50);
});

it("grows no faster than the room with everybody's voice through the SFU", { timeout: 60_000 }, async () => {
  const world = new World();
  await world.haveSfu();
  for (let size = 1; size <= 24; size += 1) {
    const peer = await world.connect();
    const act = async () => {
      await world.join(peer);
      if (size > 6) await world.hearAll();
    };
    if (![8, 12, 24].includes(size)) await act();
    else {
      const join = await world.cost(act);
      print(size, "a join with its voice", join);
      expectWithin(join, bounds.voice, size);
      expect(join.frames).toBeLessThanOrEqual(2 + size);
      expect(join.asked).toBeLessThanOrEqual(2 + 2 * size);
    }
  }
});
