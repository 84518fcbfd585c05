import { describe, expect, it } from "vitest";
import { limits } from "../../protocol";
import { isDue } from "./callouts";
import { nextDue } from "./room";
import { seatOf } from "./room-data";
import { application, many, offer, worldOf } from "./testing/world";

const second = 1_000;

describe("calling somebody in", () => {
  it("begins its words with the second, and seats the one who answers last", () => {
    const world = worldOf("a");
    world.callOut("c");
    expect(seatOf(world.room, "c")?.outbox.n).toBe(2);
    world.join("b");
    world.start("c");
    expect(world.call("a").roster.map(({ id }) => id)).toEqual([]);
    world.answer("c");
    world.settle();
    expect(world.ids).toEqual(["a", "b", "c"]);
    expect(world.call("c").roster.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(world.call("a").roster.map(({ id }) => id)).toEqual(["b", "c"]);
  });

  it("tells the one who has invited what becomes of it, each thing once", () => {
    const world = worldOf("a");
    world.callOut("c", { inviter: "a" });
    world.start("c");
    world.tell("c", { event: "progressing", devices: 1, time: 0 });
    world.tell("c", { event: "ringing", time: 0 });
    world.tell("c", { event: "progressing", devices: 2, time: 0 });
    world.answer("c");
    world.callOut("d", { inviter: "a" });
    world.start("d");
    world.tell("d", { event: "ended", cause: "denied", times: { started: 0 } });
    world.settle();
    const told = world.call("a").named("invitation");
    expect(told.map(({ id, state }) => `${id} ${state}`)).toEqual([
      "c progressing",
      "c ringing",
      "c answered",
      "d ended",
    ]);
    expect(told.at(-1)).toMatchObject({ cause: "denied" });
  });

  it("by a participant: with its name, and with an answer to what cannot be", () => {
    const world = worldOf("a");
    world.say("a", { type: "invite", id: "c", to: "bob" });
    expect(seatOf(world.room, "c")?.calling).toMatchObject({
      to: { applicationKey: application, userId: "bob" },
      displayName: "user-a",
      inviter: "a",
    });
    world.say("a", { type: "invite", id: "d", to: "no user id" });
    world.say("a", { type: "invite", id: "e", to: "12", line: "phone" });
    world.say("a", { type: "invite", id: "f", to: "+46000000000", line: "phone" });
    world.say("a", { type: "invite", id: "c", to: "carol" });
    world.means = { ...world.means, takeCallout: () => 7 };
    world.say("a", { type: "invite", id: "g", to: "dave" });
    world.settle();
    const told = world.call("a").named("invitation");
    expect(told.map((event) => event.state === "ended" && event.error?.name)).toEqual([
      ...["invalidValue", "invalidValue", "invalidValue", "conflict", "rateLimited"],
    ]);
    expect(told.at(-1)).toMatchObject({ error: { retryAfter: 7 } });
  });

  it("asked for twice is one call; with the same id and another callee it is refused", () => {
    const world = worldOf("a");
    expect(world.callOut("c")).toMatchObject({ ok: true });
    expect(world.callOut("c")).toMatchObject({ ok: true });
    expect(world.callPhone("c")).toMatchObject({ error: { name: "conflict" } });
    expect(world.callOut("a", { to: { applicationKey: application, userId: "x" } })).toMatchObject({
      error: { name: "conflict" },
    });
    expect(world.room.seats.length).toBe(2);
  });

  it("that never started is the inviter's to hear, and leaves nothing", () => {
    const world = worldOf("a");
    world.callOut("c", { inviter: "a" });
    const error = { errorCode: 40900, name: "conflict", message: "", hint: "" } as const;
    world.input({ type: "started", id: "c", result: { ok: false, error } });
    world.callOut("d", { inviter: "a" });
    const ended = { cause: "noAnswer", times: { started: 0 } } as const;
    world.input({ type: "started", id: "d", result: { ok: true, value: { time: 0, ended } } });
    world.settle();
    expect(world.call("a").named("invitation")).toMatchObject([
      { id: "c", cause: "failure", error: { name: "conflict" } },
      { id: "d", cause: "noAnswer" },
    ]);
    expect(world.ids).toEqual(["a"]);
  });

  it("ends when it is taken back while it rings, which the inviter hears once", () => {
    const world = worldOf("a");
    world.callOut("c", { inviter: "a" });
    world.start("c");
    world.input({ type: "kick", id: "c" });
    world.settle();
    expect(world.call("c").over).toMatchObject({ error: { name: "removed" } });
    expect(world.call("a").named("invitation")).toMatchObject([
      { state: "ended", cause: "canceled", error: { name: "removed" } },
    ]);
    expect(world.room.seats.length).toBe(1);
  });

  it("that was taken back before it was started never is", () => {
    const world = worldOf("a");
    world.callOut("c", { inviter: "a" });
    // It may be under way, as far as the room knows.
    world.input({ type: "kick", id: "c" });
    const seat = seatOf(world.room, "c");
    expect(seat && isDue(seat)).toBe(false);
    expect(seat?.outbox).toMatchObject({ n: 2, words: [{ word: { op: { op: "hangup" } } }] });
    world.settle();
    expect(world.call("c").started).toBe(false);
    expect(world.room.seats.map(({ id }) => id)).toEqual(["a"]);
    expect(world.call("a").named("invitation")).toMatchObject([
      { id: "c", state: "ended", cause: "canceled" },
    ]);
  });

  it("that cannot be started for a minute is given up, and hung up should it have been", () => {
    const world = worldOf("a", "b");
    world.callOut("c", { inviter: "a" });
    world.callPhone("p");
    world.now += 20 * second;
    // From here on it can be started.
    world.say("a", { type: "bridge", id: "p", description: offer });
    world.now += 39 * second;
    world.input({ type: "time" });
    expect(world.room.seats.map(({ state }) => state)).toEqual(["in", "in", "calling", "calling"]);
    expect(nextDue(world.room, world.now)).toBe(world.now + second);
    world.now += second;
    world.input({ type: "time" });
    expect(seatOf(world.room, "p")?.state).toBe("calling");
    world.call("c").started = true;
    world.settle();
    expect(world.call("c").over).toMatchObject({ error: { name: "unavailable" } });
    expect(world.call("a").named("invitation")).toMatchObject([{ id: "c", error: { name: "unavailable" } }]);
  });

  it("is not begun where the mesh is full and there is no SFU", () => {
    const world = worldOf(...many(limits.meshParticipants - 1));
    expect(world.callPhone("q")).toMatchObject({ ok: true });
    expect(world.callOut("c")).toMatchObject({ ok: true });
    expect(world.callOut("d")).toMatchObject({ error: { name: "sfuMissing" } });
    expect(world.callPhone("p")).toMatchObject({ ok: true });
    // Somebody else comes first.
    world.join("late");
    world.start("c");
    world.answer("c");
    world.settle();
    expect(world.call("c").over).toMatchObject({ error: { name: "sfuMissing" } });
    expect(world.ids.length).toBe(limits.meshParticipants);
  });

  it("of a seventh waits for its session with the SFU, also over a crash", () => {
    const world = worldOf(...many(limits.meshParticipants));
    world.means = { ...world.means, sfu: true };
    for (const id of ["c", "d"]) {
      world.callOut(id, { inviter: "u0" });
      world.start(id);
    }
    world.answer("c");
    expect(world.room.plan).toBe("mesh");
    world.effects = [];
    world.crash();
    expect(world.effects).toContainEqual({ type: "assure", id: "c" });
    world.effects = [];
    world.input({ type: "time" });
    expect(world.effects).toEqual([]);
    // Whatever has become of that.
    world.now = nextDue(world.room, world.now) ?? 0;
    world.input({ type: "time" });
    expect(world.effects).toContainEqual({ type: "assure", id: "c" });
    world.input({ type: "assured", id: "c" });
    world.settle();
    expect(world.call("c").over).toMatchObject({ error: { name: "unavailable" } });
    world.answer("d");
    world.input({ type: "assured", id: "d", session: "its session" });
    world.settle();
    expect(world.room.plan).toBe("sfu");
    expect(world.call("d").events[0]).toMatchObject({ type: "joined", plan: "sfu" });
    expect(world.call("u0").named("invitation").at(-1)).toMatchObject({ id: "d", state: "answered" });
  });

  it("what one does, and the server, while its answer waits for the SFU, holds when it comes in", () => {
    const world = worldOf(...many(limits.meshParticipants));
    world.means = { ...world.means, sfu: true };
    world.callOut("c");
    expect(world.input({ type: "command", id: "c", command: "mute" })).toMatchObject({ ok: false });
    world.start("c");
    world.tell("c", { event: "ringing", time: 0 });
    world.answer("c");
    world.tell("c", { event: "media", media: { muted: true, held: false, video: "on" } });
    world.tell("c", { event: "present", present: false });
    world.crash();
    expect(world.input({ type: "command", id: "c", command: "hold" })).toMatchObject({ ok: true });
    world.crash();
    world.settle();
    expect(world.call("u0").named("participantChanged")).toEqual([]);
    world.input({ type: "assured", id: "c", session: "its session" });
    world.settle();
    const silence = { muted: false, held: true };
    expect(world.call("u0").roster.at(-1)).toMatchObject({
      id: "c",
      media: { muted: true },
      away: true,
      silence,
    });
    expect(world.call("c").events).toMatchObject([{ type: "joined", silence }]);
    world.tell("c", { event: "present", present: true });
    world.settle();
    expect(world.call("u0").roster.at(-1)?.away).toBeUndefined();
  });

  it("is started again after a crash, unless that was long ago", () => {
    const world = worldOf("a");
    world.callOut("c", { inviter: "a" });
    world.callOut("d");
    world.start("d");
    world.tell("d", { event: "ringing", time: 0 });
    world.now += 10 * second;
    world.crash();
    expect(seatOf(world.room, "c")?.calling?.started).toBeUndefined();
    expect(seatOf(world.room, "d")?.calling?.started).toBe(true);
    expect(nextDue(world.room, world.now)).toBeGreaterThan(world.now);
    world.now += 60 * second;
    world.crash();
    world.settle();
    expect(world.room.seats.map(({ id }) => id)).toEqual(["a", "d"]);
    expect(world.call("a").named("invitation")).toMatchObject([
      { id: "c", state: "ended", error: { name: "unavailable" } },
    ]);
  });
});
