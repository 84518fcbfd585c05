import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { limits, type RoomOperation, serverLimits } from "../../protocol";
import { infoOf, present, seatOf, users } from "./room-data";
import { answer, Call, offer, World } from "./testing/world";

/** One thing that happens: what, to whom, and how. */
type Happening = [what: string, who: number, how: number];

const happenings = fc.array(
  fc.tuple(
    fc.constantFrom(
      ...[
        "join",
        "join",
        "join",
        "join",
        "join",
        "callOut",
        "callPhone",
        "answer",
        "answer",
        "answer",
        "ring",
      ],
      ...["bridge", "bridge", "bridge", "anyBridge", "bridgeFailed", "gateway", "hangUp", "kick", "command"],
      ...[
        "media",
        "away",
        "back",
        "signal",
        "invite",
        "strange",
        "publish",
        "start",
        "start",
        "assured",
        "time",
      ],
      ...["deliver", "deliver", "deliver", "hand", "hand", "hand", "crash", "kickAll"],
    ),
    fc.nat(30),
    fc.nat(7),
  ),
  { minLength: 60, maxLength: 200 },
) as fc.Arbitrary<Happening[]>;

const commands = ["mute", "unmute", "hold", "resume"] as const;

function happen(world: World, [what, who, how]: Happening): void {
  const { room } = world;
  world.now += how * 700;
  const pick = <T>(from: T[]): T | undefined => from[who % Math.max(1, from.length)];
  const ids = [...world.calls.keys()];
  const called = room.seats.filter(({ calling }) => calling?.started);
  const phones = room.seats.filter(({ line, state }) => line && state !== "leaving");
  // One that is in, as far as its own call knows.
  const one = pick([...world.calls.values()].filter((call) => !call.over && call.events.length > 0));
  const other = ids[how % Math.max(1, ids.length)] ?? "stranger";
  const say = (operation: RoomOperation) => one?.tell({ event: "operation", operation });
  switch (what) {
    case "join": {
      world.join(`j${ids.length}`, { lost: how === 0, session: how > 1 ? "session" : undefined });
      return;
    }
    case "crash":
      world.crash();
      return;
    case "time":
      world.input({ type: "time" });
      return;
    case "kickAll":
      if (how === 0 && who === 0) world.input({ type: "kickAll" });
      return;
    case "callOut":
      world.callOut(`c${ids.length}`, { inviter: one?.id });
      return;
    case "callPhone":
      world.callPhone(`p${ids.length}`, { inviter: one?.id });
      return;
    case "start": {
      const seat = pick(room.seats.filter(({ calling, line }) => calling && (!line || calling.offer)));
      if (seat) world.start(seat.id);
      return;
    }
    case "ring": {
      const seat = pick(called);
      if (seat) world.call(seat.id).tell({ event: "ringing", time: 0 });
      return;
    }
    case "answer": {
      const seat = pick(called);
      const call = seat && world.call(seat.id);
      if (!call || call.log.some(({ event }) => event.event === "answered")) return;
      call.tell({ event: "answered", candidates: [], time: 0, ...(seat.line && { description: answer }) });
      if (how > 3) world.deliver(seat.id);
      return;
    }
    case "bridge": {
      const phone = pick(phones);
      const operation: RoomOperation = { type: "bridge", id: phone?.id ?? "", description: offer };
      if (phone?.host === undefined || !ids.includes(phone.host)) return;
      world.tell(phone.host, { event: "operation", operation });
      return;
    }
    case "gateway": {
      const phone = pick(phones.filter(({ state }) => state === "in"));
      const description = how % 2 === 0 ? offer : answer;
      if (phone) world.call(phone.id).tell({ event: "description", description, candidates: [] });
      return;
    }
    case "anyBridge":
      say({ type: "bridge", id: other, description: how % 2 === 0 ? offer : answer });
      return;
    case "bridgeFailed":
      say({ type: "bridgeFailed", id: other });
      return;
    case "hangUp":
      if (how < 4) one?.end();
      else if (how === 4) {
        const seat = pick(called);
        if (seat) world.call(seat.id).end();
      }
      return;
    case "kick":
      if (how < 3) world.input({ type: "kick", id: other });
      return;
    case "command":
      world.input({ type: "command", id: other, command: commands[who % 4] ?? "mute" });
      return;
    case "media":
      one?.tell({ event: "media", media: { muted: how % 2 === 0, held: how > 5, video: "off" } });
      return;
    case "away":
    case "back":
      one?.tell({ event: "present", present: what === "back" });
      return;
    case "signal":
      say({ type: "signal", signals: [{ peer: other, candidates: [], tracks: { 0: other } }] });
      return;
    case "invite":
      say({ type: "invite", id: other, to: "somebody" });
      return;
    case "strange":
      say({ type: "signal", signals: [{ peer: "stranger", description: offer }] });
      say({ type: "show", videos: { stranger: "h", [other]: "l" } });
      say({ type: "bridge", id: "stranger", description: offer });
      say({ type: "bridgeFailed", id: "stranger" });
      return;
    case "publish": {
      const tracks = [{ mid: "0", kind: "audio" } as const];
      say({ type: "publish", description: offer, tracks, heard: how, fresh: true });
      return;
    }
    case "assured":
      world.input({ type: "assured", id: other, session: how > 2 ? "session" : undefined });
      return;
    case "deliver": {
      const id = pick(ids);
      // Some of it again, and not all of it.
      const { delivered } = world.calls.get(id ?? "") ?? { delivered: 0 };
      if (id) world.deliver(id, delivered - how, delivered + 1 + (how % 3));
      return;
    }
    case "hand": {
      const id = pick(ids);
      // In whatever order, with gaps, and the answer gets lost.
      if (id) world.hand(id, how > 5 ? how - 5 : 0, how % 3 !== 0);
      return;
    }
  }
}

function check(world: World): void {
  const { room } = world;
  const expected = present(room).map(infoOf);
  expect(users(room).length).toBeLessThanOrEqual(room.plan === "mesh" ? limits.meshParticipants : 50);
  for (const seat of users(room)) {
    const call = world.call(seat.id);
    expect(call.over, `${seat.id} is in by the room`).toBeUndefined();
    expect(call.roster, `what ${seat.id} knows`).toEqual(expected.filter(({ id }) => id !== seat.id));
    expect(call.named("joined").length).toBe(1);
    const plans = call.events.flatMap((event) =>
      event.type === "joined" || event.type === "plan" ? [event.plan] : [],
    );
    expect(plans.at(-1)).toBe(room.plan);
    const silences = call.events.flatMap((event) =>
      event.type === "joined" || event.type === "silence" ? [event.silence] : [],
    );
    expect(silences.at(-1)).toEqual(seat.silence);
  }
  for (const phone of present(room).filter(({ line }) => line)) {
    expect(users(room).some(({ id }) => id === phone.host)).toBe(true);
  }
  for (const seat of room.seats) {
    expect(seat.state).not.toBe("leaving");
    expect(seat.outbox.words).toEqual([]);
  }
  // Whoever is out by the room is out by its call.
  for (const call of world.calls.values()) {
    const isStarted = !call.isCallout || call.events.length > 0;
    if (!seatOf(room, call.id) && isStarted) expect(call.over, `${call.id} is out`).toBeDefined();
  }
}

describe("the roster", () => {
  it.each([
    ["in a mesh", false],
    ["with an SFU", true],
  ])(
    "is the same for all in the end, whatever is lost, repeated or interrupted: %s",
    (_, sfu) => {
      fc.assert(
        fc.property(happenings, (all) => {
          const world = new World();
          world.means = { sfu, takeCallout: () => 0 };
          for (const happening of all) happen(world, happening);
          world.crash();
          for (const id of world.calls.keys()) world.input({ type: "assured", id, session: "session" });
          world.settle();
          check(world);
        }),
        { numRuns: 150 },
      );
    },
    30_000,
  );

  it("costs a stored room at most once for each thing that happens", () => {
    const world = new World();
    world.join("a");
    world.join("b");
    const stored = world.stored;
    world.hand("a");
    world.deliver("b");
    world.input({ type: "heard", id: "b", entries: [] });
    world.input({ type: "woke" });
    expect(world.stored).toBe(stored);
  });
});

describe("the outboxes", () => {
  const backlogOf = (world: World) =>
    world.room.seats.flatMap(({ outbox }) => outbox.words).reduce((sum, { size }) => sum + size, 0);

  it("are bounded: the one who takes nothing goes", () => {
    const world = new World();
    for (const id of ["a", "b", "c"]) world.join(id);
    world.settle();
    world.callPhone("p");
    world.say("a", { type: "bridge", id: "p", description: offer });
    world.start("p");
    world.answer("p", answer);
    const description = { type: "offer", sdp: "x".repeat(serverLimits.sdpBytes) } as const;
    world.say("b", { type: "signal", signals: [{ peer: "a", candidates: [] }] });
    for (let sent = 0; sent * serverLimits.sdpBytes < serverLimits.roomBacklogBytes; sent += 1) {
      world.tell("p", { event: "description", description, candidates: [] });
      expect(backlogOf(world)).toBeLessThanOrEqual(serverLimits.roomBacklogBytes);
    }
    expect(world.ids).toEqual(["b", "c", "p"]);
    world.settle();
    expect(world.call("a").over).toMatchObject({ error: { name: "tooLarge" } });
    check(world);
  });

  it("are bounded: the one who has signalled too much goes, and not those to whom", () => {
    const world = new World();
    for (const id of ["a", "b", "c", "d"]) world.join(id);
    world.settle();
    const description = { type: "offer", sdp: "x".repeat(serverLimits.sdpBytes) } as const;
    world.say("b", { type: "signal", signals: [{ peer: "c", candidates: [] }] });
    for (let sent = 0; sent * serverLimits.sdpBytes < serverLimits.roomBacklogBytes; sent += 1) {
      world.now += 10_000;
      world.say("a", { type: "signal", signals: [{ peer: sent % 3 === 0 ? "b" : "c", description }] });
      expect(backlogOf(world)).toBeLessThanOrEqual(serverLimits.roomBacklogBytes);
    }
    expect(world.ids).toEqual(["b", "c", "d"]);
    world.settle();
    expect(world.call("a").over).toMatchObject({ error: { name: "tooLarge" } });
    expect(
      world
        .call("c")
        .named("signal")
        .filter(({ signals }) => signals.length > 0).length,
    ).toBe(1);
    check(world);
  });

  it("end with the hang-up, whatever of them has been applied", () => {
    fc.assert(
      fc.property(fc.nat(10), fc.nat(10), (said, applied) => {
        const world = new World();
        world.join("a");
        world.join("b");
        for (let one = 0; one < said; one += 1)
          world.input({ type: "command", id: "b", command: one % 2 === 0 ? "mute" : "unmute" });
        const seat = seatOf(world.room, "b");
        // So much of it has come through, and the room does not know.
        world.call("b").hear(seat?.outbox.n ?? 0, seat?.outbox.words.slice(0, applied) ?? []);
        world.input({ type: "kick", id: "b" });
        world.crash();
        world.settle();
        expect(world.call("b").over).toMatchObject({ error: { name: "removed" } });
        expect(world.room.seats.map(({ id }) => id)).toEqual(["a"]);
      }),
    );
  });
});

it("a strict client notices what is told twice", () => {
  const call = new Call("x");
  const joined = { type: "joined", conference: "tea", plan: "mesh", participants: [] } as const;
  const silence = { muted: false, held: false };
  call.events.push({ ...joined, participants: [], silence }, { type: "participantLeft", id: "nobody" });
  expect(() => call.roster).toThrow("not there");
});
