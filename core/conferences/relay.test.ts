import { describe, expect, it } from "vitest";
import { limits } from "../../protocol";
import { nextDue } from "./room";
import { seatOf } from "./room-data";
import { answer, many, offer, type World, worldOf } from "./testing/world";

const second = 1_000;

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
