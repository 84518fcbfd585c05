import { describe, expect, it } from "vitest";
import { limits, serverLimits } from "../../protocol";
import { nextDue } from "./room";
import { listOf, newRoom } from "./room-data";
import { answer, application, many, offer, World, worldOf } from "./testing/world";

const second = 1_000;

describe("joining", () => {
  it("tells the one who comes of all who are there, and those of that one alone", () => {
    const world = worldOf("a", "b");
    const [first] = world.call("b").events;
    expect(first).toMatchObject({ type: "joined", conference: "tea", plan: "mesh" });
    expect(world.call("b").roster.map(({ id }) => id)).toEqual(["a"]);
    expect(world.call("a").events.map(({ type }) => type)).toEqual(["joined", "participantJoined"]);
  });

  it("again, changes nothing, and gives the words again", () => {
    const world = new World();
    world.join("a", { lost: true });
    expect(world.join("a")).toMatchObject({ ok: true });
    expect(world.ids).toEqual(["a"]);
    expect(world.call("a").named("joined").length).toBe(1);
  });

  it("is told in an order that no clock can spoil", () => {
    const world = worldOf("a");
    world.now -= 60 * second;
    world.join("b");
    world.join("c");
    const times = world.room.seats.map(({ joined }) => joined);
    expect(times).toEqual([...new Set(times)].sort((one, other) => one - other));
  });

  it("is refused to the seventh where there is no SFU, and nothing of it stays", () => {
    const world = worldOf(...many(limits.meshParticipants));
    const before = world.room;
    expect(world.join("late")).toMatchObject({ ok: false, error: { name: "sfuMissing" } });
    expect(world.room).toBe(before);
    world.hangUp("u0");
    expect(world.join("later")).toMatchObject({ ok: true });
  });

  it("is refused to the seventh whose session with the SFU could not be made; the others stay in their mesh", () => {
    const world = worldOf(...many(limits.meshParticipants));
    world.means = { ...world.means, sfu: true };
    expect(world.join("late")).toMatchObject({ ok: false, error: { name: "unavailable" } });
    expect(world.room.plan).toBe("mesh");
  });

  it("of the seventh moves all to the SFU, until nobody is there", () => {
    const world = worldOf(...many(limits.meshParticipants));
    world.means = { ...world.means, sfu: true };
    expect(world.join("late", { session: "its session" })).toMatchObject({ ok: true });
    world.settle();
    expect(world.call("late").events[0]).toMatchObject({ type: "joined", plan: "sfu" });
    for (const id of many(limits.meshParticipants)) {
      const types = world.call(id).events.map(({ type }) => type);
      expect(types.slice(-2)).toEqual(["plan", "participantJoined"]);
    }
    expect(world.room.sfu.late).toMatchObject({ session: "its session" });
    expect(Object.keys(world.room.sfu).sort()).toEqual([...world.ids].sort());
    world.hangUp("late");
    world.hangUp("u0");
    expect(world.room.plan).toBe("sfu");
    world.input({ type: "kickAll" });
    expect(world.room).toMatchObject({ plan: "mesh", sfu: {} });
  });

  it("is refused to the 51st, also while somebody is being called", () => {
    const world = new World();
    world.means = { ...world.means, sfu: true };
    for (const id of many(serverLimits.conferenceParticipants - 1)) world.join(id, { session: "s" });
    expect(world.callOut("c")).toMatchObject({ ok: true });
    expect(world.join("late")).toMatchObject({ ok: false, error: { name: "conferenceFull" } });
    expect(world.callOut("d")).toMatchObject({ ok: false, error: { name: "conferenceFull" } });
    world.start("c");
    world.hangUp("c");
    expect(world.join("later")).toMatchObject({ ok: true });
  });
});

it("one user has so many seats and no more, also by being called", () => {
  const most = serverLimits.conferenceSeatsPerUser;
  const world = worldOf("x");
  world.means = { ...world.means, sfu: true };
  const joinAs = (id: string, userId: string) =>
    world.input({ type: "join", id, userId, video: false, reference: "r", session: "s" });
  for (const id of many(most - 1)) expect(joinAs(id, "alice")).toMatchObject({ ok: true });
  const to = { applicationKey: application, userId: "alice" };
  expect(world.callOut("c", { to })).toMatchObject({ ok: true });
  const full = { error: { name: "conferenceFull", detail: expect.stringContaining(`${most} times`) } };
  expect(world.callOut("d", { to })).toMatchObject(full);
  expect(joinAs("e", "alice")).toMatchObject(full);
  expect(joinAs("f", "bob")).toMatchObject({ ok: true });
  expect(world.callOut("p", { to: { ...to, line: "sip" } })).toMatchObject({ ok: true });
  world.input({ type: "kick", id: "u0" });
  expect(joinAs("g", "alice")).toMatchObject({ ok: true });
});

describe("in the room", () => {
  it("what comes a second time is not heard a second time", () => {
    const world = worldOf("a", "b");
    world.say("a", { type: "signal", signals: [{ peer: "b", candidates: [] }] });
    world.call("a").delivered = 0;
    world.deliver("a", 0);
    world.crash();
    world.settle();
    expect(world.call("b").named("signal").length).toBe(1);
  });

  it("signals go to whom they are for, and name the sender", () => {
    const world = worldOf("a", "b", "c");
    const candidates = [{ candidate: "x" }];
    world.say("a", {
      type: "signal",
      signals: [
        { peer: "b", candidates },
        { peer: "stranger", candidates },
        { peer: "a", candidates },
        { peer: "b", candidates: [], tracks: { "1": "b", "2": "stranger" } },
      ],
    });
    world.settle();
    expect(world.call("b").named("signal")).toEqual([
      {
        type: "signal",
        signals: [
          { peer: "a", candidates },
          { peer: "a", candidates: [], tracks: {} },
        ],
      },
    ]);
    expect(world.call("a").named("signal")).toEqual([]);
    expect(world.call("c").named("signal")).toEqual([]);
  });

  const long = { type: "offer", sdp: "x".repeat(39_000) } as const;

  it("who signals too much to one of the others at once is out, and nobody else", () => {
    const world = worldOf("a", "b", "c");
    // As much as may be, to each: and again, after some time.
    for (let time = 0; time < 2; time += 1) {
      for (const peer of ["b", "c"])
        world.say("a", { type: "signal", signals: Array(2).fill({ peer, description: long }) });
      world.settle();
      world.now += 20 * second;
    }
    expect(world.ids).toEqual(["a", "b", "c"]);
    world.say("a", {
      type: "signal",
      signals: [{ peer: "c", candidates: [] }, ...Array(3).fill({ peer: "b", description: long })],
    });
    world.say("a", { type: "signal", signals: [{ peer: "c", candidates: [] }] });
    world.settle();
    expect(world.ids).toEqual(["b", "c"]);
    expect(world.call("a").over).toMatchObject({ error: { name: "tooLarge" } });
    for (const id of ["b", "c"]) expect(world.call(id).named("signal").length).toBe(2);
  });

  it("a user with several devices signals no more than another", () => {
    const world = worldOf("b");
    for (const id of ["a1", "a2", "a3"])
      world.input({ type: "join", id, userId: "mallory", video: false, reference: "r" });
    const tell = (id: string, signals = [{ peer: "b", description: long }]) => {
      const event = { event: "operation", operation: { type: "signal", signals } } as const;
      world.input({ type: "heard", id, entries: [{ seq: 1, event }] });
    };
    for (const id of ["a1", "a2", "a3"]) tell(id);
    expect(world.ids).toEqual(["b", "a1", "a2"]);
  });

  it("what one does alone is there for who comes later, also after a crash", () => {
    const world = worldOf("a");
    world.tell("a", { event: "media", media: { muted: true, held: false, video: "on" } });
    world.crash();
    world.tell("a", { event: "present", present: false });
    world.crash();
    world.input({ type: "command", id: "a", command: "hold" });
    world.crash();
    world.join("b");
    expect(world.call("b").roster).toMatchObject([
      { id: "a", media: { muted: true }, away: true, silence: { held: true } },
    ]);
  });

  it("the server's word and one's own are told apart, and listed together", () => {
    const world = worldOf("a", "b");
    expect(world.input({ type: "command", id: "a", command: "mute" })).toMatchObject({ ok: true });
    expect(world.input({ type: "command", id: "a", command: "mute" })).toMatchObject({ ok: true });
    expect(world.input({ type: "command", id: "x", command: "mute" })).toMatchObject({
      error: { name: "notFound" },
    });
    world.tell("b", { event: "media", media: { muted: false, held: true, video: "off" } });
    world.settle();
    const silence = { muted: true, held: false };
    expect(world.call("a").named("silence")).toEqual([{ type: "silence", silence }]);
    expect(world.call("b").named("participantChanged")).toEqual([
      { type: "participantChanged", change: { id: "a", silence } },
    ]);
    world.now += 91 * second;
    expect(listOf(world.room, world.now)).toMatchObject([
      { id: "a", silence: { muted: true, held: false }, duration: 91 },
      { id: "b", silence: { muted: false, held: true }, duration: 90 },
    ]);
  });

  it("one who is taken out hears why, and is out at once", () => {
    const world = worldOf("a", "b");
    world.input({ type: "kick", id: "b" });
    expect(world.ids).toEqual(["a"]);
    expect(world.input({ type: "kick", id: "b" })).toMatchObject({ error: { name: "notFound" } });
    const again = { type: "join", id: "b", userId: "user-b", video: false, reference: "r" } as const;
    expect(world.input(again)).toMatchObject({ error: { name: "conflict" } });
    world.settle();
    expect(world.call("b").over).toMatchObject({ error: { name: "removed" } });
    expect(world.call("a").roster).toEqual([]);
    expect(world.room.seats.length).toBe(1);
  });

  it("all are taken out, those too who are being called", () => {
    const world = worldOf("a", "b");
    world.callOut("c");
    world.start("c");
    world.callPhone("p");
    expect(world.input({ type: "kickAll" })).toMatchObject({ ok: true });
    world.settle();
    expect(world.room.seats).toEqual([]);
    expect(world.call("c").over).toMatchObject({ error: { name: "removed" } });
    expect(world.input({ type: "kickAll" })).toMatchObject({ error: { name: "notFound" } });
  });

  it("the end of a call is the end of a seat, whether it is told or found out", () => {
    const world = worldOf("a", "b", "c");
    world.hangUp("b");
    world.call("c").over = {};
    world.settle();
    expect(world.ids).toEqual(["a"]);
    expect(world.call("a").roster).toEqual([]);
  });
});

it("nothing is due in a mesh where nobody is being called", () => {
  expect(nextDue(worldOf("a", "b").room, 0)).toBeNull();
  expect(nextDue(newRoom(application, "tea"), 0)).toBeNull();
});

it("a phone has no words for the room", () => {
  const world = worldOf("a");
  world.callPhone("p");
  world.say("a", { type: "bridge", id: "p", description: offer });
  world.start("p");
  world.answer("p", answer);
  world.say("p", { type: "invite", id: "c", to: "bob" });
  world.say("p", { type: "signal", signals: [{ peer: "a", candidates: [] }] });
  world.settle();
  expect(world.room.seats.map(({ id }) => id)).toEqual(["a", "p"]);
  expect(world.call("a").named("signal")).toEqual([]);
});
