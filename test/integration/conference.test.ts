import { abortAllDurableObjects, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ConferenceRoom } from "../../durable-objects/conference-room/conference-room";
import type { RoomAddress } from "../../durable-objects/conference-room/rpc";
import { callSession, conferenceRoom, userHub } from "../../durable-objects/names";
import { limits } from "../../protocol";
import { Participant } from "./conference-world";
import { application, bindings, hangup, later, Peer, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

const roomOf = (
  conferenceId: string,
  applicationKey = application,
): [RoomAddress, ReturnType<typeof conferenceRoom>] => {
  const address = { applicationKey, conferenceId };
  return [address, conferenceRoom(bindings, address)];
};
const listOf = async (conferenceId: string) => {
  const [address, room] = roomOf(conferenceId);
  const list = await room.list(address);
  return list.ok ? list.value : [];
};
const sessionOf = ({ id }: Participant) => callSession(bindings, application, id);

/** So many in a conference of its own, all of whom see each other. */
async function conference(count: number, name = someone("room")): Promise<Participant[]> {
  const all: Participant[] = [];
  for (let one = 0; one < count; one += 1) all.push(await Participant.join(name));
  for (const one of all) await one.sees(...all);
  return all;
}

describe("joining", () => {
  it("is an ordinary call that is established at once", async () => {
    const alice = await Participant.join(someone("room"), { displayName: "Alice" });
    await alice.peer.event("established", alice.id);
    expect(alice.peer.events(alice.id)).toEqual(["progressing", "answered", "established", "room"]);
    expect(await alice.event("joined")).toMatchObject({ plan: "mesh", participants: [] });
  });

  it("tells the one who joins of all, once, and the others of that one alone", async () => {
    const name = someone("room");
    const alice = await Participant.join(name, { displayName: "Alice" });
    const bob = await Participant.join(name, { displayName: "Bob", video: true });
    await alice.sees(bob);
    expect(bob.roster).toMatchObject([{ id: alice.id, userId: alice.userId, displayName: "Alice" }]);
    expect(alice.roster).toMatchObject([{ id: bob.id, userId: bob.userId, displayName: "Bob" }]);
    const carol = await Participant.join(name);
    await alice.sees(bob, carol);
    expect(carol.roster.map(({ id }) => id)).toEqual([alice.id, bob.id]);
    expect(alice.named("joined").length + bob.named("joined").length).toBe(2);
    expect(alice.named("participantJoined").map(({ participant }) => participant.id)).toEqual([
      bob.id,
      carol.id,
    ]);
  });

  it("is joining once, however often the same call says it", async () => {
    const name = someone("room");
    const alice = await Participant.join(name);
    const start = { op: "start", to: name, line: "conference", video: false, headers: {} } as const;
    await alice.peer.call(alice.id, start, { n: 1 });
    const bob = await Participant.join(name);
    await bob.sees(alice);
    expect((await listOf(name)).length).toBe(2);
  });

  it("refuses the seventh without an SFU, and says what is missing", async () => {
    const name = someone("room");
    const all = await conference(limits.meshParticipants, name);
    const seventh = await Participant.call(name);
    expect(await seventh.ended()).toMatchObject({ cause: "failure", error: { name: "sfuMissing" } });
    await all[0]?.op(hangup);
    const another = await Participant.join(name);
    await another.sees(...all.slice(1));
  });

  it.each([
    ["one character", "x"],
    ["64 characters", "y".repeat(64)],
    ["any printable characters", `a b/c?d#e%2F%ä"'<>\\ ~`],
    ["characters of two halves", "🎉".repeat(64)],
    ["dots", ".."],
    ["a percent sign", "%2F"],
  ])("takes an id of %s", async (_, id) => {
    const alice = await Participant.join(id);
    const bob = await Participant.join(id);
    await alice.sees(bob);
    expect((await alice.event("joined")).conference).toBe(id);
    await alice.op(hangup);
    await bob.op(hangup);
  });

  it.each([
    ["65 characters", "x".repeat(65)],
    ["a line break", "a\nb"],
    ["half a character", "a\ud83c"],
  ])("refuses an id of %s", async (_, id) => {
    await expect(Participant.call(id)).rejects.toThrow("invalidValue");
  });

  it("refuses an empty id and a call without an offer", async () => {
    await expect(Participant.call("")).rejects.toThrow("invalidRequest");
    const alice = await Peer.connect(someone("alice"));
    const { answered } = alice.start(someone("bob"), { offer: undefined });
    expect(await answered).toMatchObject({ error: { name: "invalidRequest", detail: "op.offer: missing" } });
  });

  it("leads into another room in another application", async () => {
    const name = someone("room");
    const other = "5f5c418a-0f91-4bbc-8234-a9bf5eddad97";
    const alice = await Participant.join(name);
    const mallory = await Participant.join(name, { applicationKey: other });
    expect(mallory.roster).toEqual([]);
    await mallory.say({ type: "signal", signals: [{ peer: alice.id, candidates: [] }] });
    const bob = await Participant.join(name);
    await alice.sees(bob);
    expect(alice.named("signal")).toEqual([]);
  });
});

describe("a room that takes its time", () => {
  /** Joining waits until this is called. */
  function slowly() {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    const { join } = ConferenceRoom.prototype;
    vi.spyOn(ConferenceRoom.prototype, "join").mockImplementation(async function (
      this: ConferenceRoom,
      ...of
    ) {
      await gate;
      return join.apply(this, of);
    });
    return open;
  }

  async function joinSlowly() {
    const open = slowly();
    const name = someone("room");
    const peer = await Peer.connect(someone("alice"));
    const { callId, answered } = peer.start(name, { line: "conference", offer: undefined, ringSeconds: 5 });
    const session = callSession(bindings, application, callId);
    await expect
      .poll(() => runInDurableObject(session, (_, { storage }) => storage.getAlarm()))
      .not.toBeNull();
    return { open, name, peer, callId, answered, session };
  }

  it("is waited for longer than a short ring", async () => {
    const { open, peer, callId, answered, session } = await joinSlowly();
    await later(session, 6_000);
    open();
    expect(await answered).toMatchObject({ type: "answer" });
    await peer.event("established", callId);
  });

  it("gives the seat back that it gives too late, and the caller hears that it is over", async () => {
    const { open, name, answered, session } = await joinSlowly();
    await later(session, 46_000);
    open();
    expect(await answered).toMatchObject({ result: { ended: { cause: "timeout" } } });
    const [, room] = roomOf(name);
    await expect.poll(() => runDurableObjectAlarm(room)).toBe(true);
    await expect.poll(() => listOf(name)).toEqual([]);
  });
});

describe("in the room", () => {
  it("what somebody does with its media is told to the others as a change", async () => {
    const [alice, bob] = await conference(3);
    if (!alice || !bob) throw new Error("nobody");
    const media = { muted: true, held: false, video: "screen" } as const;
    await alice.op({ op: "media", media });
    const { change } = await bob.event("participantChanged");
    expect(change).toEqual({ id: alice.id, media });
    expect(alice.named("participantChanged")).toEqual([]);
  });

  it("signals reach the one they are for, in order, and nobody else", async () => {
    const [alice, bob, carol] = await conference(3);
    if (!alice || !bob || !carol) throw new Error("nobody");
    const description = { type: "offer", sdp: "v=0" } as const;
    const stranger = crypto.randomUUID();
    await carol.say({
      type: "signal",
      signals: [
        { peer: alice.id, description },
        { peer: bob.id, candidates: [{ candidate: "b" }] },
        { peer: alice.id, candidates: [{ candidate: "a" }] },
        { peer: stranger, description },
      ],
    });
    const heard = await alice.until(() => {
      const signals = alice.named("signal").flatMap(({ signals }) => signals);
      return signals.length === 2 && signals;
    });
    expect(heard).toEqual([
      { peer: carol.id, description },
      { peer: carol.id, candidates: [{ candidate: "a" }] },
    ]);
    const { signals } = await bob.event("signal");
    expect(signals).toEqual([{ peer: carol.id, candidates: [{ candidate: "b" }] }]);
  });

  it("who leaves is gone for all, and the last one closes it", async () => {
    const name = someone("room");
    const [alice, bob, carol] = await conference(3, name);
    if (!alice || !bob || !carol) throw new Error("nobody");
    await carol.op(hangup);
    await alice.sees(bob);
    await bob.sees(alice);
    await bob.op(hangup);
    await alice.sees();
    await alice.op(hangup);
    await expect.poll(() => listOf(name)).toEqual([]);
    const dave = await Participant.join(name);
    expect(dave.roster).toEqual([]);
  });
});

describe("coming back", () => {
  it("keeps the seat of one who loses the connection, and tells it what it has missed", async () => {
    const name = someone("room");
    const [alice, bob] = await conference(2, name);
    if (!alice || !bob) throw new Error("nobody");
    bob.peer.close();
    await alice.event("participantChanged", ({ change }) => change.away === true);
    const carol = await Participant.join(name);
    expect(carol.roster.find(({ id }) => id === bob.id)?.away).toBe(true);
    await bob.again();
    await bob.sees(alice, carol);
    await alice.event("participantChanged", ({ change }) => change.away === null);
    expect(bob.named("joined").length).toBe(1);
  });

  it("gives the seat up after 30 seconds", async () => {
    const [alice, bob] = await conference(2);
    if (!alice || !bob) throw new Error("nobody");
    bob.peer.close();
    await alice.event("participantChanged", ({ change }) => change.away === true);
    await later(sessionOf(bob), 30_001);
    await alice.sees();
  });

  it("finds everybody where they were when every object has died", async () => {
    const name = someone("room");
    const all = await conference(4, name);
    await abortAllDurableObjects();
    for (const one of all) await one.again();
    const [alice, bob] = all;
    if (!alice || !bob) throw new Error("nobody");
    expect((await listOf(name)).map(({ id }) => id)).toEqual(all.map(({ id }) => id));
    const carol = await Participant.join(name);
    for (const one of all) await one.sees(...all, carol);
    await alice.say({ type: "signal", signals: [{ peer: bob.id, candidates: [{ candidate: "x" }] }] });
    await bob.event("signal");
    for (const one of all) expect(one.named("joined").length).toBe(1);
  });

  it("loses nobody who joins while objects die", async () => {
    const name = someone("room");
    const [alice] = await conference(1, name);
    if (!alice) throw new Error("nobody");
    const peer = await Peer.connect(someone("bob"));
    const { callId, answered } = peer.start(name, { line: "conference", offer: undefined });
    void answered.catch(() => {});
    await abortAllDurableObjects();
    const again = await peer.again([{ callId, ack: 0 }]);
    // As the SDK does: the start has no answer, so it is sent again.
    const synced = await again.frame("synced");
    if (synced.unknown || synced.n === 0) {
      await again.call(
        callId,
        { op: "start", to: name, line: "conference", video: false, headers: {} },
        { n: 1 },
      );
    }
    await again.event("established", callId);
    await alice.again();
    await alice.until(() => alice.roster.some(({ id }) => id === callId));
    expect((await listOf(name)).map(({ id }) => id)).toEqual([alice.id, callId]);
  });
});

describe("calling somebody in", () => {
  const callOut = async (conferenceId: string, userId: string, more: { inviter?: string } = {}) => {
    const [address, room] = roomOf(conferenceId);
    const callId = crypto.randomUUID();
    const to = { applicationKey: application, userId };
    const called = await room.callOut({
      ...address,
      callId,
      to,
      video: false,
      headers: {},
      reference: "r",
      ...more,
    });
    if (!called.ok) throw new Error(called.error.name);
    return callId;
  };

  it("rings like a call, and the one who answers is in", async () => {
    const name = someone("room");
    const [alice] = await conference(1, name);
    if (!alice) throw new Error("nobody");
    const peer = await Peer.connect(someone("bob"));
    const callId = await callOut(name, peer.user.userId);
    expect(await peer.event("incoming")).toMatchObject({ callId, conference: name, from: { userId: name } });
    expect(alice.roster).toEqual([]);
    const bob = await Participant.answer(peer);
    await alice.sees(bob);
    expect(bob.roster.map(({ id }) => id)).toEqual([alice.id]);
    await bob.op({ op: "media", media: { muted: true, held: false, video: "off" } });
    await alice.event("participantChanged", ({ change }) => change.media?.muted === true);
    await bob.op(hangup);
    await alice.sees();
  });

  it("opens an empty room, which is closed again when nobody comes", async () => {
    const name = someone("room");
    const peer = await Peer.connect(someone("bob"));
    const callId = await callOut(name, peer.user.userId);
    await peer.event("incoming", callId);
    await peer.call(callId, hangup);
    await expect.poll(() => listOf(name)).toEqual([]);
    const alice = await Participant.join(name);
    expect(alice.roster).toEqual([]);
  });

  it("tells the one who invited what becomes of it", async () => {
    const [alice] = await conference(1);
    if (!alice) throw new Error("nobody");
    const invite = (to: string) => {
      const id = crypto.randomUUID();
      void alice.say({ type: "invite", id, to });
      return id;
    };
    const unknown = invite("nobody-of-this-name");
    expect(
      await alice.event("invitation", (one) => one.id === unknown && one.state === "ended"),
    ).toMatchObject({
      error: { name: "userUnknown" },
    });
    const wrong = invite("not a user id");
    expect(await alice.event("invitation", (one) => one.id === wrong)).toMatchObject({
      state: "ended",
      error: { name: "invalidValue" },
    });
    const peer = await Peer.connect(someone("bob"));
    const id = invite(peer.user.userId);
    await alice.event("invitation", (one) => one.id === id && one.state === "progressing");
    await peer.event("incoming", id);
    await peer.call(id, { op: "ringing" });
    await alice.event("invitation", (one) => one.id === id && one.state === "ringing");
    const bob = await Participant.answer(peer);
    await alice.event("invitation", (one) => one.id === id && one.state === "answered");
    await alice.sees(bob);
  });

  it("rings on all devices, and the first one that answers has it", async () => {
    const name = someone("room");
    const [alice] = await conference(1, name);
    if (!alice) throw new Error("nobody");
    const userId = someone("bob");
    const [phone, tablet] = [await Peer.connect(userId), await Peer.connect(userId)];
    const callId = await callOut(name, userId);
    await tablet.event("incoming", callId);
    const bob = await Participant.answer(phone);
    expect(await tablet.event("ended", callId)).toMatchObject({ cause: "otherDeviceAnswered" });
    await alice.sees(bob);
  });
});

describe("what the app's server does", () => {
  it("silences one, tells everybody, and lets it speak again", async () => {
    const name = someone("room");
    const [alice, bob] = await conference(2, name);
    if (!alice || !bob) throw new Error("nobody");
    const [address, room] = roomOf(name);
    expect(await room.command(address, bob.id, "mute")).toMatchObject({ ok: true });
    expect((await bob.event("silence")).silence).toEqual({ muted: true, held: false });
    expect((await alice.event("participantChanged")).change).toEqual({
      id: bob.id,
      silence: { muted: true, held: false },
    });
    expect(await listOf(name)).toMatchObject([{ id: alice.id }, { id: bob.id, silence: { muted: true } }]);
    await room.command(address, bob.id, "unmute");
    await bob.event("silence", ({ silence }) => !silence.muted);
    expect(await room.command(address, crypto.randomUUID(), "mute")).toMatchObject({
      error: { name: "notFound" },
    });
  });

  it("takes one out, or all, who hear why", async () => {
    const name = someone("room");
    const [alice, bob, carol] = await conference(3, name);
    if (!alice || !bob || !carol) throw new Error("nobody");
    const [address, room] = roomOf(name);
    expect(await room.kick(address, bob.id)).toMatchObject({ ok: true });
    expect(await bob.ended()).toMatchObject({ cause: "hungUp", error: { name: "removed" } });
    await alice.sees(carol);
    expect(await room.kickAll(address)).toMatchObject({ ok: true });
    expect(await alice.ended()).toMatchObject({ error: { name: "removed" } });
    expect(await carol.ended()).toMatchObject({ error: { name: "removed" } });
    await expect.poll(async () => (await room.list(address)).ok).toBe(false);
    expect(await room.kickAll(address)).toMatchObject({ error: { name: "notFound" } });
  });
});

describe("records", () => {
  it("each participant's call is one of its own", async () => {
    const name = someone("room");
    const [alice] = await conference(1, name);
    if (!alice) throw new Error("nobody");
    await alice.op(hangup);
    await expect
      .poll(() =>
        bindings.DB.prepare(
          "SELECT caller_user_id, callee_user_id, line, end_cause FROM calls WHERE call_id = ?",
        )
          .bind(alice.id)
          .first(),
      )
      .toMatchObject({
        caller_user_id: alice.userId,
        callee_user_id: name,
        line: "conference",
        end_cause: "hungUp",
      });

    expect(await userHub(bindings, alice.peer.user).presence()).toMatchObject({ online: true });
  });
});
