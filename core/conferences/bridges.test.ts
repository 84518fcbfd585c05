import { expect, it } from "vitest";
import { serverLimits } from "../../protocol";
import { nextDue } from "./room";
import { seatOf } from "./room-data";
import { answer, offer, type World, worldOf } from "./testing/world";

const described = (sdp: string, type: "offer" | "answer" = "offer") => ({ type, sdp });
const bridgesOf = (world: World, id: string) => world.call(id).named("bridge");
const heardOf = (world: World, id: string) =>
  world
    .call(id)
    .named("bridgeDescription")
    .map(({ description, early }) => `${early ? "early " : ""}${description.sdp}`);

/** Alice and bob, and a phone whose host is alice. */
function withPhone(): World {
  const world = worldOf("a", "b");
  world.callPhone("p");
  world.say("a", { type: "bridge", id: "p", description: offer });
  world.start("p");
  world.answer("p", answer);
  world.settle();
  return world;
}

it("a phone is dialled when its host has made an offer, and is in when it is answered", () => {
  const world = worldOf("a", "b");
  expect(world.callPhone("p", { inviter: "b" })).toMatchObject({ ok: true });
  world.settle();
  expect(bridgesOf(world, "a")).toEqual([{ type: "bridge", id: "p", line: "phone" }]);
  expect(bridgesOf(world, "b")).toEqual([]);
  expect(seatOf(world.room, "p")?.calling?.offer).toBeUndefined();
  world.say("b", { type: "bridge", id: "p", description: described("not its host's") });
  world.say("a", { type: "bridge", id: "p", description: offer });
  expect(seatOf(world.room, "p")?.calling?.offer).toEqual(offer);
  world.start("p");
  world.tell("p", { event: "earlyMedia", description: described("tones", "answer") });
  world.answer("p", answer);
  world.settle();
  expect(heardOf(world, "a")).toEqual(["early tones", answer.sdp]);
  expect(heardOf(world, "b")).toEqual([]);
  for (const id of ["a", "b"])
    expect(world.call(id).roster.at(-1)).toMatchObject({ line: "phone", host: "a" });
  expect(world.call("p").events).toEqual([]);
  expect(world.call("b").named("invitation").at(-1)).toMatchObject({ id: "p", state: "answered" });
});

it("the host is the earliest one with the fewest phones, and rather one who is not away", () => {
  const world = worldOf("a", "b", "c");
  world.tell("b", { event: "present", present: false });
  for (const id of ["p", "q", "r"]) world.callPhone(id);
  expect(world.room.seats.map(({ host }) => host).filter(Boolean)).toEqual(["a", "c", "a"]);
  world.hangUp("a");
  expect(["p", "q", "r"].map((id) => seatOf(world.room, id)?.host)).toEqual(["c", "c", "c"]);
  world.hangUp("c");
  expect(seatOf(world.room, "p")?.host).toBe("b");
});

it("needs a host, and there may be so many phones and no more", () => {
  expect(worldOf().callPhone("p")).toMatchObject({ error: { name: "hostMissing" } });
  const world = worldOf("a");
  for (let at = 0; at < serverLimits.conferencePhones; at += 1)
    expect(world.callPhone(`p${at}`)).toMatchObject({ ok: true });
  expect(world.callPhone("p")).toMatchObject({ error: { name: "conferenceFull" } });
});

it("one user may have invited so many phones at a time, on all devices, and the server as many as there may be", () => {
  const world = worldOf("b");
  for (const id of ["a1", "a2"])
    world.input({ type: "join", id, userId: "alice", video: false, reference: "r" });
  world.means = { ...world.means, phonesPerUser: 2 };
  expect(world.callPhone("p", { inviter: "a1" })).toMatchObject({ ok: true });
  world.say("b", { type: "bridge", id: "p", description: offer });
  world.start("p");
  world.answer("p", answer);
  expect(world.callPhone("q", { inviter: "a2" })).toMatchObject({ ok: true });
  expect(world.callPhone("r", { inviter: "a2" })).toMatchObject({ error: { name: "rateLimited" } });
  expect(world.callOut("c", { inviter: "a2" })).toMatchObject({ ok: true });
  for (const id of ["s", "t", "u"]) expect(world.callPhone(id)).toMatchObject({ ok: true });
  expect(world.callPhone("v", { inviter: "b" })).toMatchObject({ ok: true });
  world.hangUp("p");
  expect(world.callPhone("w", { inviter: "a2" })).toMatchObject({ ok: true });
});

it("another host takes over by an offer of its own, and hears the answer to that alone", () => {
  const world = withPhone();
  world.say("a", { type: "bridge", id: "p", description: described("the first one's second") });
  world.hangUp("a");
  world.settle();
  expect(bridgesOf(world, "b")).toEqual([{ type: "bridge", id: "p", line: "phone", again: true }]);
  expect(world.call("b").roster).toMatchObject([{ id: "p", host: "b" }]);
  world.say("b", { type: "bridge", id: "p", description: described("the second one's") });
  world.settle();
  // One at a time, so that it is known whose answer comes.
  const offers = () =>
    world.call("p").operations.map((op) => (op as { description: { sdp: string } }).description.sdp);
  expect(offers()).toEqual(["the first one's second"]);
  world.tell("p", { event: "description", description: described("to the first", "answer"), candidates: [] });
  world.settle();
  expect(offers()).toEqual(["the first one's second", "the second one's"]);
  expect(heardOf(world, "b")).toEqual([]);
  world.tell("p", {
    event: "description",
    description: described("to the second", "answer"),
    candidates: [],
  });
  world.settle();
  expect(heardOf(world, "b")).toEqual(["to the second"]);
});

it("a host that leaves while the phone rings leaves its offer to the next one, who makes another", () => {
  const world = worldOf("a", "b");
  world.callPhone("p");
  world.say("a", { type: "bridge", id: "p", description: offer });
  world.start("p");
  world.hangUp("a");
  world.say("b", { type: "bridge", id: "p", description: described("b's") });
  world.settle();
  expect(world.call("p").operations).toEqual([]);
  world.answer("p", answer);
  world.settle();
  expect(heardOf(world, "b")).toEqual([]);
  expect(world.call("p").operations).toMatchObject([{ op: "description", description: { sdp: "b's" } }]);
});

it("an offer of the gateway goes to the host, and its answer back; a network's refusal as well", () => {
  const world = withPhone();
  world.tell("p", { event: "description", description: described("theirs"), candidates: [] });
  world.settle();
  expect(heardOf(world, "a").at(-1)).toBe("theirs");
  world.say("a", { type: "bridge", id: "p", description: described("ours", "answer") });
  world.settle();
  expect(world.call("p").operations).toMatchObject([{ description: { type: "answer", sdp: "ours" } }]);
  world.say("a", { type: "bridge", id: "p", description: described("more") });
  const rollback = { type: "rollback", sdp: "" } as const;
  world.tell("p", { event: "description", description: rollback, candidates: [] });
  world.say("a", { type: "bridge", id: "p", description: described("once more") });
  world.settle();
  expect(world.call("a").named("bridgeDescription").at(-1)).toMatchObject({ description: rollback });
  expect(world.call("p").operations.length).toBe(3);
});

it("is hung up when nobody is left who could be its host, also by a second failure", () => {
  const world = withPhone();
  world.hangUp("b");
  world.hangUp("a");
  world.settle();
  expect(world.call("p").over).toEqual({ error: undefined });
  expect(world.room.seats).toEqual([]);

  const other = withPhone();
  other.say("b", { type: "bridgeFailed", id: "p" });
  expect(seatOf(other.room, "p")?.host).toBe("a");
  other.say("a", { type: "bridgeFailed", id: "p" });
  other.settle();
  expect(bridgesOf(other, "b").length).toBe(1);
  expect(other.call("a").named("bridgeEnded").length).toBe(1);
  other.join("c");
  other.say("b", { type: "bridgeFailed", id: "p" });
  other.settle();
  expect(other.call("p").over).toMatchObject({ error: { name: "mediaFailed" } });
  expect(other.call("b").named("bridgeEnded").length).toBe(1);
});

it("who failed once is asked again when nobody else is left, and when somebody else could do it", () => {
  const world = withPhone();
  world.say("a", { type: "bridgeFailed", id: "p" });
  world.hangUp("b");
  world.settle();
  expect(bridgesOf(world, "a").length).toBe(2);
  expect(seatOf(world.room, "p")?.host).toBe("a");
  const answered = (sdp: string) =>
    world.tell("p", { event: "description", description: described(sdp, "answer"), candidates: [] });
  world.say("a", { type: "bridge", id: "p", description: described("again") });
  answered("to a");
  world.join("c");
  world.say("a", { type: "bridgeFailed", id: "p" });
  expect(seatOf(world.room, "p")?.host).toBe("c");
  world.say("c", { type: "bridge", id: "p", description: described("c's") });
  // That is no success.
  world.tell("p", { event: "description", description: { type: "rollback", sdp: "" }, candidates: [] });
  world.say("c", { type: "bridgeFailed", id: "p" });
  world.settle();
  expect(world.call("p").over).toMatchObject({ error: { name: "mediaFailed" } });
});

it("one who is alone and cannot be a host is asked twice", () => {
  const world = worldOf("a");
  world.callPhone("p");
  for (let time = 0; time < 2; time += 1) world.say("a", { type: "bridgeFailed", id: "p" });
  world.settle();
  expect(bridgesOf(world, "a").length).toBe(2);
  expect(world.room.seats.length).toBe(1);
});

it("a host that says nothing counts as one that cannot", () => {
  const world = worldOf("a", "b");
  world.callPhone("p", { inviter: "a" });
  const due = nextDue(world.room, world.now);
  expect(due).toBeGreaterThan(world.now);
  world.now = due ?? 0;
  world.input({ type: "time" });
  expect(seatOf(world.room, "p")?.host).toBe("b");
  world.now = nextDue(world.room, world.now) ?? 0;
  world.input({ type: "time" });
  world.settle();
  expect(world.ids).toEqual(["a", "b"]);
  expect(world.room.seats.length).toBe(2);
  expect(world.call("a").named("invitation")).toMatchObject([
    { state: "ended", error: { name: "mediaFailed" } },
  ]);
});

it("a phone that is taken out before it was dialled is gone without a word to anybody but its host", () => {
  const world = worldOf("a");
  world.callPhone("p");
  expect(world.input({ type: "kick", id: "p" })).toMatchObject({ ok: true });
  world.settle();
  expect(world.room.seats.length).toBe(1);
  expect(world.call("a").named("bridgeEnded")).toEqual([{ type: "bridgeEnded", id: "p" }]);
});

it("the server's word over a phone is told to those who hear it", () => {
  const world = withPhone();
  world.input({ type: "command", id: "p", command: "hold" });
  world.tell("p", { event: "media", media: { muted: false, held: true, video: "off" } });
  world.settle();
  for (const id of ["a", "b"])
    expect(world.call(id).roster.at(-1)).toMatchObject({ media: { held: true }, silence: { held: true } });
});
