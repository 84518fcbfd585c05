/** What the object adds to the room: storage, waking up, alarms, and the way to sessions and the SFU. */
import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { newRoom, type Room } from "../../core/conferences/room-data";
import type { RoomWords } from "../../core/conferences/words";
import { fail, limits, ok, serverLimits } from "../../protocol";
import { CallSession } from "../call-session/call-session";
import type { Env } from "../env";
import { conferenceRoom } from "../names";
import type { ConferenceRoom } from "./conference-room";
import { loadRoom, storeRoom } from "./storage";

const bindings = env as unknown as Env;
const applicationKey = "196087a1-e815-4bc4-8984-60d8d8a43f1d";

let rooms = 0;

/** A room of its own, with sessions that the test plays. */
class World {
  readonly address = { applicationKey, conferenceId: `room-${++rooms}` };
  /** What each session has applied. */
  readonly said = new Map<string, RoomWords["words"]>();
  requests = 0;
  /** Sessions that cannot be reached. */
  readonly unreachable = new Set<string>();
  readonly over = new Set<string>();

  constructor() {
    const { said, unreachable, over } = this;
    vi.spyOn(CallSession.prototype, "hear").mockImplementation(async ({ connectionId: id }, { n, words }) => {
      this.requests += 1;
      if (unreachable.has(id)) throw new Error("not there");
      if (over.has(id)) return fail("conflict");
      const applied = said.get(id) ?? [];
      if (n > applied.length + 1) return ok({ n: applied.length });
      said.set(id, [...applied, ...words.slice(applied.length + 1 - n)]);
      return ok({ n: said.get(id)?.length ?? 0 });
    });
  }

  get room(): DurableObjectStub<ConferenceRoom> {
    return conferenceRoom(bindings, this.address);
  }

  async join(): Promise<string> {
    const { id, joined } = await this.tryJoin();
    if (!joined.ok) throw new Error(joined.error.name);
    return id;
  }

  async tryJoin() {
    const id = crypto.randomUUID();
    const user = { applicationKey, userId: "somebody" };
    const joined = await this.room.join({ ...this.address, callId: id, user, video: false, reference: "r" });
    if (joined.ok) this.said.set(id, joined.value.words as RoomWords["words"]);
    return { id, joined };
  }

  /** The names of the events that a participant was told. */
  told(id: string): string[] {
    return (this.said.get(id) ?? []).map((word) => (word.word === "event" ? word.event.type : word.op.op));
  }

  async leave(id: string) {
    const event = { event: "ended", cause: "hungUp", times: { started: 0 } } as const;
    return this.room.deliver({ ...this.address, callId: id, entries: [{ seq: 99, event }] });
  }

  async stored(): Promise<Room | undefined> {
    return runInDurableObject(this.room, (_, { storage }) => loadRoom(storage.kv));
  }
}

afterEach(() => vi.restoreAllMocks());

describe("storage", () => {
  it("is one row for a join, and none for a question or a confirmation", async () => {
    const world = new World();
    const rows = () =>
      runInDurableObject(world.room, (_, { storage }) =>
        Number(storage.sql.exec("select total_changes() as rows").one().rows),
      );
    const alice = await world.join();
    // Sets the alarm that serves what follows, too.
    await world.join();
    await expect.poll(() => world.told(alice)).toEqual(["joined", "participantJoined"]);
    const before = await rows();
    const requests = world.requests;
    await world.join();
    await expect.poll(() => world.told(alice).length).toBe(3);
    expect((await world.room.deliver({ ...world.address, callId: alice, entries: [] })).connected).toEqual([
      `room/${alice}`,
    ]);
    expect((await rows()) - before).toBe(1);
    expect(world.requests - requests).toBe(2);
  });

  it("is empty when the last one has left, and good for the next at once", async () => {
    const world = new World();
    const alice = await world.join();
    const [, bob] = await Promise.all([world.leave(alice), world.join()]);
    await abortAllDurableObjects();
    const list = await world.room.list(world.address);
    expect(list.ok && list.value.map(({ id }) => id)).toEqual([bob]);
    expect((await world.leave(bob)).connected).toEqual([]);
    expect(await world.stored()).toBeUndefined();
    expect(await runInDurableObject(world.room, (_, { storage }) => storage.getAlarm())).toBeNull();
    expect(await world.room.list(world.address)).toMatchObject({ error: { name: "notFound" } });
  });

  it("takes more than a row takes", async () => {
    const world = new World();
    const room = newRoom(applicationKey, world.address.conferenceId);
    const sdp = "ü".repeat(serverLimits.sfuSdpBytes);
    const event = { type: "bridgeDescription", id: "p", description: { type: "offer", sdp } } as const;
    const silence = { muted: false, held: false };
    for (let at = 0; at < serverLimits.conferenceParticipants; at += 1) {
      room.seats.push({
        id: `${at}`,
        userId: "u",
        reference: "r",
        state: "in",
        joined: at,
        media: { ...silence, video: "off" },
        silence,
        heard: 0,
        outbox: {
          n: 1,
          words: [{ word: { word: "event", event: structuredClone(event) }, size: sdp.length }],
        },
      });
    }
    await runInDurableObject(world.room, (_, { storage }) => {
      storeRoom(storage.kv, room);
      expect(loadRoom(storage.kv)).toEqual(room);
      storeRoom(storage.kv, newRoom(applicationKey, "x"));
      expect(loadRoom(storage.kv)).toEqual(newRoom(applicationKey, "x"));
    });
  });
});

describe("what could not be said", () => {
  it("is said when the alarm rings, in order and once, and nobody else waits for it", async () => {
    const world = new World();
    const [alice, bob] = [await world.join(), await world.join()];
    world.unreachable.add(alice);
    const carol = await world.join();
    await expect.poll(() => world.told(bob)).toEqual(["joined", "participantJoined"]);
    await world.room.command(world.address, carol, "mute");
    await expect.poll(() => world.told(bob).at(-1)).toBe("participantChanged");
    expect(world.told(alice).length).toBeLessThan(3);
    world.unreachable.clear();
    await runInDurableObject(world.room, (room) => {
      room.clock = () => Date.now() + 60_000;
    });
    await expect.poll(() => runDurableObjectAlarm(world.room)).toBe(true);
    await expect
      .poll(() => world.told(alice))
      .toEqual(["joined", "participantJoined", "participantJoined", "participantChanged"]);
  });

  it("is said when the object has died and wakes up, whatever wakes it", async () => {
    const world = new World();
    const alice = await world.join();
    world.unreachable.add(alice);
    const bob = await world.join();
    await abortAllDurableObjects();
    world.unreachable.clear();
    await world.room.list(world.address);
    await expect.poll(() => world.told(alice)).toEqual(["joined", "participantJoined"]);
    expect(world.told(bob)).toEqual(["joined"]);
  });

  it("is said by the alarm, should nothing else ever wake it", async () => {
    const world = new World();
    const alice = await world.join();
    await world.join();
    await expect.poll(() => world.told(alice)).toEqual(["joined", "participantJoined"]);
    await abortAllDurableObjects();
    // It was not stored that this was heard, as if it had not been.
    world.said.set(alice, world.said.get(alice)?.slice(0, 1) ?? []);
    expect(await runDurableObjectAlarm(world.room)).toBe(true);
    await expect.poll(() => world.told(alice)).toEqual(["joined", "participantJoined"]);
  });

  it("to one who has left, wakes the object no more", async () => {
    const world = new World();
    const [alice, bob] = [await world.join(), await world.join()];
    world.unreachable.add(alice);
    await world.join();
    const alarm = () => runInDurableObject(world.room, (_, { storage }) => storage.getAlarm());
    // It is tried again in a second.
    await expect.poll(async () => ((await alarm()) ?? 0) - Date.now()).toBeLessThan(5_000);
    await world.leave(alice);
    await expect.poll(() => world.told(bob)).toEqual(["joined", "participantJoined", "participantLeft"]);
    await runInDurableObject(world.room, (room) => {
      room.clock = () => Date.now() + 60_000;
    });
    await expect.poll(() => runDurableObjectAlarm(world.room)).toBe(true);
    await expect.poll(alarm).toBeNull();
  });

  it("to a call that is over, gives its seat back", async () => {
    const world = new World();
    const [alice, bob] = [await world.join(), await world.join()];
    world.over.add(alice);
    await world.room.command(world.address, bob, "mute");
    await expect.poll(async () => (await world.stored())?.seats.map(({ id }) => id)).toEqual([bob]);
    await expect.poll(() => world.told(bob)).toEqual(["joined", "silence", "participantLeft"]);
  });
});

describe("a callout", () => {
  it("that came to nothing, asked for again, leaves no seat either", async () => {
    const world = new World();
    await world.join();
    const to = { applicationKey, userId: "nobody-has-this-name" };
    const callout = { ...world.address, callId: crypto.randomUUID(), to, video: false, headers: {} };
    const seats = async () => (await world.stored())?.seats.length;
    for (let times = 0; times < 2; times += 1) {
      expect(await world.room.callOut({ ...callout, reference: "r" })).toMatchObject({ ok: true });
      await expect.poll(seats).toBe(1);
    }
  });

  it("is started when the object has died before it could be", async () => {
    const world = new World();
    const alice = await world.join();
    const operate = vi.spyOn(CallSession.prototype, "operate").mockImplementation(async () => {
      throw new Error("not there");
    });
    const to = { applicationKey, userId: "bob" };
    const callId = crypto.randomUUID();
    const callout = { ...world.address, callId, to, video: false, headers: {}, inviter: alice };
    await world.room.callOut({ ...callout, reference: "r" });
    await expect.poll(() => operate.mock.calls.length).toBeGreaterThan(0);
    await abortAllDurableObjects();
    operate.mockRestore();
    await world.room.list(world.address);
    await expect.poll(() => world.told(alice)).toContain("invitation");
    expect(world.said.get(alice)?.at(-1)).toMatchObject({
      event: { id: callId, state: "ended", error: { name: "userUnknown" } },
    });
  });

  it("has a rate in each room", async () => {
    const world = new World();
    await world.join();
    vi.spyOn(CallSession.prototype, "operate").mockImplementation(async () => fail("conflict"));
    await runInDurableObject(world.room, (room) => {
      room.clock = () => 1_000_000;
    });
    const call = async () => {
      const callId = crypto.randomUUID();
      const to = { applicationKey, userId: "nobody" };
      const callout = { ...world.address, callId, to, video: false, headers: {}, reference: "r" };
      const called = await world.room.callOut(callout);
      await world.room.kick(world.address, callId);
      return called;
    };
    for (let at = 0; at < serverLimits.calloutsBurst; at += 1)
      expect(await call()).toMatchObject({ ok: true });
    expect(await call()).toMatchObject({ ok: false, error: { name: "rateLimited" } });
  });
});

describe("the SFU", () => {
  const settings = { SFU_APP_ID: "app", SFU_APP_SECRET: "secret", SFU_URL: "https://sfu.invalid/v1" };

  /** A full mesh in a deployment that has an SFU. */
  async function fullMesh(answer: () => Response | Promise<Response>) {
    const world = new World();
    const asked = vi.spyOn(globalThis, "fetch").mockImplementation(async () => answer());
    await runInDurableObject(world.room, (room) => {
      Object.assign(room, { env: { ...bindings, ...settings } });
    });
    const all: string[] = [];
    for (let at = 0; at < limits.meshParticipants; at += 1) all.push(await world.join());
    expect(asked).not.toHaveBeenCalled();
    return { world, all, asked };
  }

  it("has a session for the seventh before anybody is moved to it", async () => {
    const { world, all, asked } = await fullMesh(() => Response.json({ sessionId: "s1" }, { status: 201 }));
    const seventh = await world.join();
    expect(asked).toHaveBeenCalledTimes(1);
    const [first] = world.said.get(seventh) ?? [];
    expect(first).toMatchObject({ event: { type: "joined", plan: "sfu" } });
    for (const id of all) {
      await expect.poll(() => world.told(id).slice(-2)).toEqual(["plan", "participantJoined"]);
    }
    expect((await world.stored())?.sfu[seventh]).toMatchObject({ session: "s1" });
  });

  it("that does not answer keeps the seventh out, and the mesh as it is", async () => {
    const { world, all } = await fullMesh(() => new Response("down", { status: 503 }));
    expect((await world.tryJoin()).joined).toMatchObject({ error: { name: "unavailable" } });
    expect(await world.stored()).toMatchObject({ plan: "mesh" });
    const list = await world.room.list(world.address);
    expect(list.ok && list.value.length).toBe(all.length);
  });

  it("is asked for what is published, and the answer goes to the one who published", async () => {
    const { world } = await fullMesh(() => Response.json({ sessionId: "s1" }, { status: 201 }));
    const seventh = await world.join();
    const description = { type: "answer", sdp: "v=0 sfu" };
    const tracks = [{ mid: "0", trackName: "audio-1" }];
    vi.mocked(fetch).mockImplementation(async () =>
      Response.json({ sessionDescription: description, tracks }, { status: 200 }),
    );
    const operation = {
      type: "publish",
      description: { type: "offer", sdp: "v=0" },
      tracks: [{ mid: "0", kind: "audio" as const }],
      heard: 0,
    } as const;
    const entries = [{ seq: 1, event: { event: "operation", operation } as never }];
    await world.room.deliver({ ...world.address, callId: seventh, entries });
    await expect.poll(() => world.told(seventh).at(-1)).toBe("sfuAnswer");
    expect((await world.stored())?.sfu[seventh]).toMatchObject({ sends: [{ mid: "0", kind: "audio" }] });
  });
});
