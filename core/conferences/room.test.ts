import { describe, expect, it } from "vitest";
import { limits, serverLimits } from "../../protocol";
import { isDue } from "./callouts";
import { nextDue } from "./room";
import { listOf, newRoom, seatOf } from "./room-data";
import { answer, application, offer, World } from "./testing/world";

const second = 1_000;

function worldOf(...ids: string[]): World {
  const world = new World();
  for (const id of ids) world.join(id);
  world.settle();
  return world;
}

const many = (count: number) => Array.from({ length: count }, (_, at) => `u${at}`);

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

it("what was under way with the SFU when the room died is given up", () => {
  const world = worldOf(...many(limits.meshParticipants));
  world.means = { ...world.means, sfu: true };
  world.join("late", { session: "s" });
  world.say("u0", {
    type: "publish",
    description: { type: "offer", sdp: "v=0" },
    tracks: [{ mid: "0", kind: "audio" }],
    heard: 0,
    fresh: true,
  });
  expect(world.effects).toContainEqual(expect.objectContaining({ type: "sfu", id: "u0" }));
  expect(nextDue(world.room, world.now)).toBeGreaterThan(world.now);
  world.crash();
  world.settle();
  expect(world.call("u0").named("sfuFailed").length).toBe(1);
});

it("what the SFU has not done for very long is given up, and its outcome means nothing then", () => {
  const world = worldOf(...many(limits.meshParticipants));
  world.means = { ...world.means, sfu: true };
  world.join("late", { session: "s" });
  const publish = (id: string) => {
    const tracks = [{ mid: "0", kind: "audio" as const }];
    world.say(id, { type: "publish", description: offer, tracks, heard: 0, fresh: true });
  };
  publish("u0");
  const [effect] = world.effects.filter(({ type }) => type === "sfu");
  world.now += 30 * second;
  publish("u1");
  const due = nextDue(world.room, world.now) ?? 0;
  expect(due).toBeGreaterThan(world.now);
  world.now = due;
  world.input({ type: "time" });
  world.settle();
  expect(world.call("u0").named("sfuFailed").length).toBe(1);
  expect(world.call("u1").named("sfuFailed")).toEqual([]);
  expect(nextDue(world.room, world.now)).toBe(due + 30 * second);
  publish("u0");
  if (effect?.type !== "sfu") throw new Error("nothing was asked for");
  const tracks = [{ mid: "0" }];
  world.input({ ...effect, outcome: { kind: "done", session: "late", description: answer, tracks } });
  world.settle();
  expect(world.call("u0").named("sfuAnswer")).toEqual([]);
  expect(world.room.sfu.u0?.changing).toBeDefined();
});

it("nothing is due in a mesh where nobody is being called", () => {
  expect(nextDue(worldOf("a", "b").room, 0)).toBeNull();
  expect(nextDue(newRoom(application, "tea"), 0)).toBeNull();
});

it("what is said to the SFU of those who are not there, or of somebody else's phone, counts for nothing", () => {
  const world = worldOf(...many(limits.meshParticipants));
  world.means = { ...world.means, sfu: true };
  world.callPhone("p");
  expect(seatOf(world.room, "p")?.host).toBe("u0");
  world.join("late", { session: "s" });
  world.say("late", { type: "show", videos: { stranger: "h", late: "h", p: "m", u1: "l" } });
  expect(world.room.sfu.late?.show).toEqual({ u1: "l" });
  const publish = (id: string) => {
    const tracks = [
      { mid: "0", kind: "audio" },
      { mid: "1", kind: "audio", id: "p" },
      { mid: "2", kind: "audio", id: "stranger" },
    ] as const;
    world.effects = [];
    world.say(id, { type: "publish", description: offer, tracks: [...tracks], heard: 0 });
    const [effect] = world.effects;
    return (
      effect?.type === "sfu" && effect.change.type === "publish" && effect.change.add.map(({ mid }) => mid)
    );
  };
  expect(publish("late")).toEqual(["0"]);
  expect(publish("u0")).toEqual(["0", "1"]);
});

describe("a phone's voice through the SFU", () => {
  /** The SFU does all that it is asked for, and participants answer its offers. */
  function perform(world: World): void {
    for (let effect = world.effects.shift(); effect; effect = world.effects.shift()) {
      if (effect.type !== "sfu") continue;
      const { id, change } = effect;
      const names = change.type === "publish" ? change.add.map(({ mid }) => mid) : [];
      const pulled =
        change.type === "pull" ? change.tracks.map(({ session, name }) => `${session} ${name}`) : [];
      const closed = change.type === "close" ? change.mids : [];
      const tracks = [...names, ...pulled, ...closed].map((mid) => ({ mid }));
      const description = change.type === "publish" ? answer : offer;
      const outcome = { kind: "done", session: `of ${id}`, tracks, description } as const;
      world.input({ type: "sfu", id, change, outcome });
      const seat = world.room.sfu[id];
      if (seat?.offered) world.say(id, { type: "sfuAnswer", offer: seat.offers, description: answer });
    }
    world.settle();
  }

  /** Whom one hears, and through whom. */
  const hears = (world: World, id: string) =>
    world.room.sfu[id]?.receives.map(({ id: whose, session }) => `${whose} ${session}`).sort();

  const publish = (world: World, id: string, ...phones: string[]) => {
    const voices = phones.map((phone, at) => ({ mid: `${at + 1}`, kind: "audio" as const, id: phone }));
    const tracks = [{ mid: "0", kind: "audio" as const }, ...voices];
    const heard = world.room.sfu[id]?.offers ?? 0;
    world.say(id, { type: "publish", description: offer, tracks, heard });
  };

  function talking(): World {
    const world = worldOf(...many(limits.meshParticipants));
    world.means = { ...world.means, sfu: true };
    world.join("late", { session: "s" });
    world.callPhone("p");
    world.say("u0", { type: "bridge", id: "p", description: offer });
    world.start("p");
    world.answer("p", answer);
    for (const id of ["u0", "u1"]) {
      publish(world, id);
      perform(world);
    }
    publish(world, "late");
    perform(world);
    return world;
  }

  it("is received from its host, and no more from a former one that goes on", () => {
    const world = talking();
    publish(world, "u0", "p");
    perform(world);
    expect(hears(world, "late")).toEqual(["p of u0", "u0 of u0", "u1 of u1"]);
    world.say("u0", { type: "bridgeFailed", id: "p" });
    perform(world);
    expect(hears(world, "late")).toEqual(["u0 of u0", "u1 of u1"]);
    expect(world.call("late").named("sfuClosed").length).toBe(1);
    publish(world, "u1", "p");
    publish(world, "u0", "p");
    perform(world);
    expect(hears(world, "late")).toEqual(["p of u1", "u0 of u0", "u1 of u1"]);
  });

  it("is not received from one that was its host when it said so, and is not any more", () => {
    const world = talking();
    publish(world, "u0", "p");
    world.say("u0", { type: "bridgeFailed", id: "p" });
    perform(world);
    expect(hears(world, "late")).toEqual(["u0 of u0", "u1 of u1"]);
  });

  it("is received again from one that has become its host again", () => {
    const world = talking();
    publish(world, "u0", "p");
    perform(world);
    world.say("u0", { type: "bridgeFailed", id: "p" });
    for (const id of many(limits.meshParticipants).slice(1)) world.hangUp(id);
    world.say("late", { type: "bridge", id: "p", description: offer });
    world.tell("p", { event: "description", description: answer, candidates: [] });
    world.say("late", { type: "bridgeFailed", id: "p" });
    expect(seatOf(world.room, "p")?.host).toBe("u0");
    publish(world, "u0", "p");
    perform(world);
    expect(hears(world, "late")).toEqual(["p of u0", "u0 of u0"]);
  });
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

it("who comes through the SFU is received, and who leaves is closed at those who received it", () => {
  const world = worldOf(...many(limits.meshParticipants));
  world.means = { ...world.means, sfu: true };
  world.join("late", { session: "s" });
  /** The SFU does what was asked for this one, and the participant answers its offer. */
  const conclude = (id: string, tracks: { mid?: string; error?: string }[] = [{ mid: "1" }]) => {
    const effect = world.effects.findLast((one) => one.type === "sfu" && one.id === id);
    if (effect?.type !== "sfu") throw new Error("nothing is asked for");
    const { change } = effect;
    const description = change.type === "publish" ? answer : offer;
    const failed = tracks.some(({ error }) => error);
    const outcome = {
      ...({ kind: "done", session: `of ${id}`, tracks } as const),
      ...(!failed && { description }),
    };
    world.input({ type: "sfu", id, change, outcome });
    return change.type;
  };
  for (const id of ["u0", "late"]) {
    world.say(id, {
      type: "publish",
      description: offer,
      tracks: [{ mid: "0", kind: "audio" }],
      heard: 0,
    });
    expect(conclude(id)).toBe("publish");
  }
  // What the SFU does not have yet is asked for again.
  expect(conclude("late", [{ error: "not_found" }])).toBe("pull");
  world.effects = [];
  world.now = nextDue(world.room, world.now) ?? 0;
  world.input({ type: "time" });
  expect(conclude("late")).toBe("pull");
  world.say("late", { type: "sfuAnswer", offer: 1, description: answer });
  expect(conclude("late")).toBe("answer");
  world.effects = [];
  world.hangUp("u0");
  expect(world.effects).toContainEqual(
    expect.objectContaining({ id: "late", change: expect.objectContaining({ type: "close", mids: ["1"] }) }),
  );
});
