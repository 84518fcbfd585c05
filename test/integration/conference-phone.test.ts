/** Phones in a conference: one of its users is their host. The leg is played by the test. */
import { afterEach, expect, it, vi } from "vitest";
import { conferenceRoom } from "../../durable-objects/names";
import { Participant } from "./conference-world";
import { bindings, hangup, someone } from "./peer";
import { answered, kindsOf, number, openWorld, tell, type World } from "./phone-world";

afterEach(() => vi.restoreAllMocks());

const offer = { type: "offer", sdp: "v=0 host" } as const;
const address = ({ application }: World, conferenceId: string) => ({
  applicationKey: application.key,
  conferenceId,
});
const join = ({ application }: World, name: string) =>
  Participant.join(name, { applicationKey: application.key });

async function callOut(world: World, conferenceId: string, to = number) {
  const room = address(world, conferenceId);
  const callId = crypto.randomUUID();
  const callee = { applicationKey: room.applicationKey, userId: to, line: "phone" } as const;
  const callout = { ...room, callId, to: callee, video: false, headers: {}, reference: "r" };
  return { callId, result: await conferenceRoom(bindings, room).callOut(callout) };
}

/** Alice and bob in a room, and a phone that has answered; alice, who came first, is its host. */
async function withPhone() {
  const world = await openWorld();
  const name = someone("room");
  const [alice, bob] = [await join(world, name), await join(world, name)];
  await alice.sees(bob);
  const { callId, result } = await callOut(world, name);
  expect(result).toEqual({ ok: true, value: { callId } });
  expect(await alice.event("bridge")).toEqual({ type: "bridge", id: callId, line: "phone" });
  await alice.say({ type: "bridge", id: callId, description: offer });
  await expect.poll(() => world.dials.length).toBe(1);
  await tell(world, callId, answered);
  await bob.sees(alice, { id: callId });
  return { world, name, alice, bob, callId };
}

it("is dialled with the offer of its host, and is in when it has answered", async () => {
  const { world, alice, bob, callId } = await withPhone();
  expect(world.dials[0]).toMatchObject({
    callId,
    offer: offer.sdp,
    callee: { userId: number, line: "phone" },
  });
  const { description } = await alice.event("bridgeDescription", ({ early }) => !early);
  expect(description).toEqual({ type: "answer", sdp: "v=0 answer" });
  expect(bob.named("bridgeDescription")).toEqual([]);
  expect(bob.roster.find(({ id }) => id === callId)).toMatchObject({
    userId: number,
    line: "phone",
    host: alice.id,
  });
});

it("is paid as any call to a phone, and ends when it is taken out", async () => {
  const { world, name, alice, bob, callId } = await withPhone();
  const room = address(world, name);
  expect(await conferenceRoom(bindings, room).kick(room, callId)).toMatchObject({ ok: true });
  await bob.sees(alice);
  await alice.event("bridgeEnded", ({ id }) => id === callId);
  await expect.poll(() => world.told.get(callId)?.some(({ event }) => event.event === "ended")).toBe(true);
  await expect
    .poll(async () => (await kindsOf(world)).slice(1))
    .toEqual(["reserve -70000", "release 70000", "charge -70000"]);
});

it("goes when its own side hangs up", async () => {
  const { world, alice, bob, callId } = await withPhone();
  await tell(world, callId, { news: "ended", cause: "hungUp" });
  await bob.sees(alice);
  await alice.event("bridgeEnded", ({ id }) => id === callId);
});

it("goes on with another host when its own one leaves, by a new offer to its gateway", async () => {
  const { world, alice, bob, callId } = await withPhone();
  await alice.op(hangup);
  expect(await bob.event("bridge")).toEqual({ type: "bridge", id: callId, line: "phone", again: true });
  await bob.event("participantChanged", ({ change }) => change.id === callId && change.host === bob.id);
  const second = { type: "offer", sdp: "v=0 second host" } as const;
  await bob.say({ type: "bridge", id: callId, description: second });
  const told = () => world.told.get(callId)?.map(({ event }) => event) ?? [];
  await expect
    .poll(() => told().find(({ event }) => event === "description"))
    .toMatchObject({ description: second });
  expect(world.dials.length).toBe(1);
  await bob.sees({ id: callId });
});

it("is hung up when nobody is left who could be its host", async () => {
  const { world, alice, bob, callId } = await withPhone();
  await bob.op(hangup);
  await alice.op(hangup);
  await expect.poll(() => world.told.get(callId)?.some(({ event }) => event.event === "ended")).toBe(true);
});

it("is given to somebody else when its host cannot do it, and given up when nobody can", async () => {
  const world = await openWorld();
  const name = someone("room");
  const [alice, bob] = [await join(world, name), await join(world, name)];
  const { callId } = await callOut(world, name);
  await alice.event("bridge");
  await alice.say({ type: "bridgeFailed", id: callId });
  await bob.event("bridge", ({ id }) => id === callId);
  await bob.say({ type: "bridgeFailed", id: callId });
  await bob.event("bridgeEnded", ({ id }) => id === callId);
  const room = address(world, name);
  const list = await conferenceRoom(bindings, room).list(room);
  expect(list.ok && list.value.map(({ id }) => id)).toEqual([alice.id, bob.id]);
  expect(world.dials).toEqual([]);
});

it("needs somebody in the room", async () => {
  const world = await openWorld();
  const { result } = await callOut(world, someone("room"));
  expect(result).toMatchObject({ ok: false, error: { name: "hostMissing" } });
});

it("is not taken from a participant who is not its host", async () => {
  const { world, bob, callId } = await withPhone();
  await bob.say({ type: "bridge", id: callId, description: { type: "offer", sdp: "v=0 mine" } });
  await bob.say({ type: "bridgeFailed", id: callId });
  await bob.peer.settled();
  expect(world.told.get(callId)?.some(({ event }) => event.event === "description") ?? false).toBe(false);
  await bob.until(() => bob.roster.some(({ id }) => id === callId));
});

it("tells the one who has invited it what it costs nobody else, and why it failed", async () => {
  const world = await openWorld(0);
  const alice = await join(world, someone("room"));
  const id = crypto.randomUUID();
  await alice.say({ type: "invite", id, to: number, line: "phone" });
  await alice.event("bridge", (one) => one.id === id);
  await alice.say({ type: "bridge", id, description: offer });
  expect(await alice.event("invitation", (one) => one.id === id && one.state === "ended")).toMatchObject({
    cause: "insufficientFunds",
  });
  await alice.event("bridgeEnded", (one) => one.id === id);
});
