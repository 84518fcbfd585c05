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
import { application, bindings, hangup, Peer, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

interface Cost {
  requests: number;
  frames: number;
  rows: number;
}

/** One conference, all of whose objects are watched. */
class World {
  readonly all: Participant[] = [];
  readonly name = someone("room");
  readonly #address = { applicationKey: application, conferenceId: this.name };
  /** Requests to objects, alarms among them; frames from clients are requests, too, and counted apart. */
  readonly #requests = [UserHub, CallSession, ConferenceRoom].flatMap(spies);
  readonly #frames = vi.spyOn(UserHub.prototype, "webSocketMessage");

  readonly #hubs: DurableObjectStub<UserHub>[] = [];

  /** Somebody who is connected, and not in yet. */
  async connect(): Promise<Peer> {
    const peer = await Peer.connect(someone("user"));
    this.#hubs.push(userHub(bindings, peer.user));
    return peer;
  }

  async join(peer: Peer): Promise<Participant> {
    const one = await Participant.join(this.name, { peer });
    this.all.push(one);
    for (const each of this.all) await each.sees(...this.all);
    return one;
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
    };
  }

  /** What was asked was answered, and nothing was asked since: twice in a row. */
  async #quiet(): Promise<void> {
    for (let seen = -1, still = 0; still < 2; ) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const spies = [...this.#requests, this.#frames];
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
    };
  }
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

const said = ({ requests, frames, rows }: Cost) =>
  `${requests} RPC and alarms + ${frames} socket frames, ${rows} rows`;

/** What it costs to be the last of so many, with 1 to 6 in a mesh, and with an SFU above. */
async function measured(sizes: number[]) {
  const world = new World();
  const costs = new Map<number, { join: Cost; mute: Cost }>();
  for (let size = 1; size <= Math.max(...sizes); size += 1) {
    const peer = await world.connect();
    let last: Participant | undefined;
    const join = await world.cost(async () => {
      last = await world.join(peer);
    });
    if (!last || !sizes.includes(size)) continue;
    const muted = last;
    costs.set(size, { join, mute: await world.cost(() => world.mute(muted)) });
  }
  const leaver = world.all.at(-1);
  if (!leaver) throw new Error("nobody");
  const leave = await world.cost(() => world.leave(leaver));
  return { costs, leave };
}

/** The bounds are promises: so much, and so much more for each that is in. */
interface Bound {
  requests: [fixed: number, each: number];
  rows: [fixed: number, each: number];
}
const bounds: Record<"join" | "mute" | "leave", Bound> = {
  // The room's word to each, which its session stores and its hub carries.
  join: { requests: [2, 2], rows: [3, 1] },
  mute: { requests: [1, 2], rows: [1, 1] },
  leave: { requests: [0, 2], rows: [1, 1] },
};

function expectWithin({ requests, rows }: Cost, bound: Bound, size: number): void {
  expect(requests).toBeLessThanOrEqual(bound.requests[0] + bound.requests[1] * size);
  expect(rows).toBeLessThanOrEqual(bound.rows[0] + bound.rows[1] * size);
}

it("grows no faster than the room, in a mesh", { timeout: 30_000 }, async () => {
  const { costs, leave } = await measured([1, 2, 4, 6]);
  for (const [size, { join, mute }] of costs) {
    console.info(`cost of a conference of ${size}: a join ${said(join)}; a mute ${said(mute)}`);
    expectWithin(join, bounds.join, size);
    expectWithin(mute, bounds.mute, size);
  }
  expectWithin(leave, bounds.leave, 6);
  console.info(`cost of a conference of 6: a leave ${said(leave)}`);
});
