import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Call, Participant } from "..";
import { Gathering, names } from "../testing/gathering";
import type { FakePeerConnection, FakeTrack } from "../testing/webrtc";
import type { Device, World } from "../testing/world";

let team: Gathering;
let world: World;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
  world = team.world;
});
afterEach(() => vi.useRealTimers());

const device: Gathering["device"] = (name) => team.device(name);
const join: Gathering["join"] = (name, options) => team.join(name, options);

const users = (call: Call) => call.participants.map(({ userId }) => userId);
const states = ({ media }: Device) => media.connections.map(({ connectionState }) => connectionState);
const sent = ({ transceivers }: FakePeerConnection) => transceivers.map(({ sender }) => sender.track);

test("the first one is alone, and everything is told as of another call", async () => {
  const states: string[] = [];
  const call = team.client("alice").callClient.callConference("team");
  if (!call) throw new Error("No call.");
  for (const event of ["progressing", "answered", "established", "ended"] as const) {
    call.on(event, () => states.push(event));
  }
  await world.pass(1_000);
  expect(states).toEqual(["progressing", "answered", "established"]);
  expect(call).toMatchObject({
    conferenceId: "team",
    remoteUserId: "team",
    line: undefined,
    participants: [],
  });
  expect(world.server.operations("alice", "start").map(({ op }) => op)).toEqual([
    { op: "start", to: "team", line: "conference", video: false, headers: {} },
  ]);
  call.hangup();
  expect(call.details.endCause).toBe("hungUp");
  expect(device("alice").media.connections).toEqual([]);
  expect(world.server.operations("alice", "flowing")).toEqual([]);
});

test("large words of the room are acknowledged before many of them wait", async () => {
  const alice = await join("alice");
  const alone = () => world.server.sentBy("alice").filter((name) => name === "ack").length;
  const before = alone();
  const description = { type: "offer", sdp: "x".repeat(60_000) } as const;
  for (let words = 0; words < 2; words += 1) {
    world.server
      .room("team")
      .say(alice.callId, { type: "signal", signals: [{ peer: "nobody", description }] });
  }
  await world.pass(3_000);
  expect(alone()).toBe(before + 1);
});

test("who comes later offers to all who are there, in one operation, and each hears each", async () => {
  const alice = await join("alice");
  const bob = await join("bob");
  world.server.received.length = 0;
  const carol = await join("carol");
  expect(names.map((name) => states(device(name)))).toEqual(Array(3).fill(["connected", "connected"]));
  expect([users(alice), users(bob), users(carol)]).toEqual([
    ["bob", "carol"],
    ["alice", "carol"],
    ["alice", "bob"],
  ]);
  const operations = world.server.operations("carol", "room").map(({ op }) => op.op === "room" && op.room);
  expect(operations[0]).toMatchObject({
    type: "signal",
    signals: [
      { peer: alice.callId, description: { type: "offer" } },
      { peer: bob.callId, description: { type: "offer" } },
    ],
  });
  // One of offers, one of candidates, and one of those that were last.
  expect(operations.length).toBeLessThanOrEqual(3);
  for (const call of [alice, bob, carol]) {
    expect(call.participants.map(({ stream }) => stream.getTracks().length)).toEqual([1, 1]);
  }
  const microphone = device("carol").media.opened;
  expect(device("carol").media.connections.map(sent)).toEqual([microphone, microphone]);
});

test("the app hears who comes and goes, what it does, and whose tracks come", async () => {
  const alice = await join("alice");
  const heard: string[] = [];
  const note = (what: string) => (participant: Participant) =>
    heard.push(`${what} ${participant.userId} ${participant.muted} ${participant.video}`);
  alice.on("participantJoined", note("joined"));
  alice.on("participantUpdated", note("updated"));
  alice.on("participantLeft", note("left"));
  alice.on("remoteTrack", ({ track, participant }) => heard.push(`${track.kind} ${participant?.userId}`));
  const bob = await join("bob", { video: true });
  bob.mute();
  await world.pass(10);
  const [seen] = alice.participants;
  bob.hangup();
  await world.pass(10);
  expect(heard).toEqual([
    "joined bob false on",
    "audio bob",
    "video bob",
    "updated bob true on",
    "left bob true on",
  ]);
  expect(seen?.stream.getTracks()).toEqual([]);
  expect([users(alice), states(device("alice"))]).toEqual([[], ["closed"]]);
  expect(alice.state).toBe("established");
});

test("video that comes later is negotiated with everybody, also when two begin at once", async () => {
  const calls = [await join("alice"), await join("bob"), await join("carol")];
  await Promise.all([...calls.map((call) => call.startVideo()), world.pass(1_000)]);
  for (const call of calls) {
    expect(call.participants.map(({ video, stream }) => [video, stream.getVideoTracks().length])).toEqual([
      ["on", 1],
      ["on", 1],
    ]);
  }
  for (const { media } of names.map(device)) {
    expect(media.connections.map(({ signalingState }) => signalingState)).toEqual(["stable", "stable"]);
    expect(media.connections.map((pc) => sent(pc).map((track) => track?.kind))).toEqual([
      ["audio", "video"],
      ["audio", "video"],
    ]);
  }
});

test("of two offers at once that of the earlier one stands", async () => {
  const alice = await join("alice");
  const bob = await join("bob");
  world.server.received.length = 0;
  await Promise.all([alice.startVideo(), bob.startVideo(), world.pass(500)]);
  const described = (name: string) =>
    world.server
      .operations(name, "room")
      .flatMap(({ op }) => (op.op === "room" && op.room.type === "signal" ? op.room.signals : []))
      .flatMap(({ description }) => description?.type ?? []);
  expect(described("alice")[0]).toBe("offer");
  expect(described("bob").slice(0, 2)).toEqual(["offer", "answer"]);
  expect(alice.participants[0]?.stream.getVideoTracks()).toHaveLength(1);
});

test("mute, hold and another microphone reach all connections without a word about them", async () => {
  const alice = await join("alice");
  await join("bob");
  await join("carol");
  const { media } = device("alice");
  const before = media.opened.at(-1);
  alice.hold();
  expect(before?.enabled).toBe(false);
  alice.resume();
  world.server.received.length = 0;
  await Promise.all([team.client("alice").audioController.setInputDevice("other"), world.pass(100)]);
  const now = media.opened.at(-1);
  expect([before?.readyState, now?.readyState, now?.enabled]).toEqual(["ended", "live", true]);
  expect(media.connections.map(sent)).toEqual([[now], [now]]);
  expect(world.server.operations("alice", "room")).toEqual([]);
});

test("what the server silences is not sent, though it stays what the person has chosen", async () => {
  const alice = await join("alice");
  const bob = await join("bob");
  const room = world.server.room("team");
  const silences: object[] = [];
  alice.on("silenced", (silence) => silences.push(silence));
  const silence = { muted: true, held: false };
  room.say(alice.callId, { type: "silence", silence });
  room.tell({ type: "participantChanged", change: { id: alice.callId, silence } }, alice.callId);
  await world.pass(10);
  const microphone = () => device("alice").media.opened.at(-1)?.enabled;
  expect([silences, microphone(), alice.muted]).toEqual([[silence], false, false]);
  expect(bob.participants[0]).toMatchObject({ muted: true, held: false, silenced: true });
  // Nor is it played if it is sent all the same.
  expect(bob.participants[0]?.stream.getAudioTracks()[0]?.enabled).toBe(false);
  alice.mute();
  room.say(alice.callId, { type: "silence", silence: { muted: false, held: false } });
  await world.pass(10);
  expect([microphone(), alice.muted]).toEqual([false, true]);
  alice.unmute();
  expect(microphone()).toBe(true);
});

test("the sound of those who are silenced or held, and of all while this side is, is not played", async () => {
  const elements: { muted: boolean; srcObject: unknown }[] = [];
  class Element {
    muted = false;
    paused = true;
    srcObject: unknown = null;
    constructor() {
      elements.push(this);
    }
    async play() {
      this.paused = false;
    }
  }
  vi.stubGlobal("Audio", Element);
  const alice = await join("alice");
  elements.length = 0;
  const bob = await join("bob");
  const carol = await join("carol");
  const ours = alice.participants.map(({ stream }) => elements.find(({ srcObject }) => srcObject === stream));
  const muted = () => ours.map((element) => element?.muted);
  expect(muted()).toEqual([false, false]);
  const room = world.server.room("team");
  const silence = { muted: true, held: false };
  room.say(alice.callId, { type: "participantChanged", change: { id: bob.callId, silence } });
  await world.pass(10);
  expect(muted()).toEqual([true, false]);
  carol.hold();
  await world.pass(10);
  expect(muted()).toEqual([true, true]);
  carol.resume();
  alice.hold();
  await world.pass(10);
  expect(muted()).toEqual([true, true]);
  alice.resume();
  expect(muted()).toEqual([true, false]);
  alice.hangup();
  expect(ours.map((element) => element?.srcObject)).toEqual([null, null]);
  vi.unstubAllGlobals();
});

test("a path that broke is found again, while the others go on", async () => {
  await join("alice");
  const bob = await join("bob");
  await join("carol");
  const [broken, whole] = device("bob").media.connections;
  const before = [broken?.id, whole?.id];
  broken?.break();
  broken?.peer?.break();
  await world.pass(3_000);
  expect(states(device("bob"))).toEqual(["connected", "connected"]);
  expect(broken?.id).not.toBe(before[0]);
  expect(whole?.id).toBe(before[1]);
  expect(bob.state).toBe("established");
});

test("a call from a conference rings as any call, and its answer joins", async () => {
  const alice = await join("alice");
  let call: Call | undefined;
  team.client("bob").callClient.on("incomingCall", (incoming) => {
    call = incoming;
  });
  world.server.callOut("0190a5b0-0000-7000-8000-000000000001", "bob", "team");
  await world.pass(100);
  expect(call).toMatchObject({
    state: "ringing",
    conferenceId: "team",
    remoteUserId: "team",
    participants: [],
  });
  expect(device("bob").media.opened).toEqual([]);
  call?.answer();
  await world.pass(1_000);
  expect(call?.state).toBe("established");
  expect(call && users(call)).toEqual(["alice"]);
  expect(users(alice)).toEqual(["bob"]);
  expect(states(device("bob"))).toEqual(["connected"]);
  const [answer] = world.server.operations("bob", "answer");
  expect(answer?.op).toEqual({ op: "answer", candidates: [] });
});

test("the engine that cannot be loaded ends the call with networkLost, and leaves", async () => {
  device("alice").loadConference = () => Promise.reject(new TypeError("Failed to fetch"));
  const call = await join("alice");
  expect(call.details).toMatchObject({ endCause: "failure", error: { errorName: "networkLost" } });
  const bob = await join("bob");
  expect(bob.participants).toEqual([]);
});

test("what the room says before the engine is loaded waits for it", async () => {
  await join("alice");
  const { loadConference } = device("bob");
  device("bob").loadConference = async () => {
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    return loadConference();
  };
  const call = await join("bob");
  expect([call.state, call.participants]).toEqual(["established", []]);
  await world.pass(1_500);
  expect(users(call)).toEqual(["alice"]);
  expect(states(device("bob"))).toEqual(["connected"]);
});

test("without WebRTC a conference fails and says so", async () => {
  const client = await device("alice").started({ webrtc: undefined });
  const call = client.callClient.callConference("team");
  await world.pass(100);
  expect(call.details).toMatchObject({ endCause: "failure", error: { errorName: "webrtcUnavailable" } });
});

test("people, phones and addresses are invited by ids of their own, and what becomes of it is told", async () => {
  const alice = await join("alice");
  const room = world.server.room("team");
  const told: object[] = [];
  alice.on("invitation", (invitation) => told.push(invitation));
  const ids = [
    alice.invite("bob"),
    alice.invitePhoneNumber("+14155550101"),
    alice.inviteSip("echo@example.com"),
  ];
  await world.pass(10);
  expect(room.operations(alice.callId, "invite")).toEqual([
    { type: "invite", id: ids[0], to: "bob", video: false },
    { type: "invite", id: ids[1], to: "+14155550101", line: "phone" },
    { type: "invite", id: ids[2], to: "echo@example.com", line: "sip" },
  ]);
  expect(new Set(ids).size).toBe(3);
  const id = ids[0] ?? "";
  room.say(
    alice.callId,
    { type: "invitation", id, state: "ringing" },
    { type: "invitation", id, state: "ended", cause: "noAnswer" },
  );
  await world.pass(10);
  expect(told).toEqual([
    { id, state: "ringing" },
    { id, state: "ended", endCause: "noAnswer", error: undefined },
  ]);
});

test("what a conference cannot do is refused", async () => {
  const { callClient } = team.client("alice");
  for (const id of ["", "x".repeat(65), "a\nb", "a\x7fb", 5 as never, undefined as never]) {
    expect(() => callClient?.callConference(id)).toThrow(/conferenceId/);
  }
  // Code points count.
  callClient?.callConference("🎲".repeat(64)).hangup();
  const conference = await join("alice");
  expect(() => conference.sendDTMF("1")).toThrow(/conference/);
  await expect(conference.transfer("bob")).rejects.toThrow(/conference/);
  const call = callClient?.callUser("bob");
  expect(() => call?.invite("carol")).toThrow(/not in a call/);
  expect(() => call?.setVideoSize("x", null)).toThrow(/conference/);
});

test("a phone's voice comes from its host, by the name of its track", async () => {
  const alice = await join("alice");
  const bob = await join("bob");
  const room = world.server.room("team");
  const phone = "0190a5b0-0000-7000-8000-000000000002";
  room.tell({
    type: "participantJoined",
    participant: {
      id: phone,
      userId: "+14155550101",
      line: "phone",
      joined: Date.now(),
      media: { muted: false, held: false, video: "off" },
      silence: { muted: false, held: false },
      host: alice.callId,
    },
  });
  await world.pass(10);
  const [connection] = device("alice").media.connections;
  const description = { type: "offer" as const, sdp: "v=0\r\nid:x\r\nm=audio\r\na=mid:7\r\na=sendonly\r\n" };
  room.say(bob.callId, {
    type: "signal",
    signals: [{ peer: alice.callId, description, tracks: { 7: phone } }],
  });
  await world.pass(50);
  expect(connection?.signalingState).toBe("stable");
  const [, voice] = bob.participants;
  expect(voice).toMatchObject({ userId: "+14155550101", line: "phone" });
  expect(voice?.stream.getAudioTracks()).toHaveLength(1);
  expect(bob.participants[0]?.stream.getAudioTracks()).toHaveLength(1);
  const tracks = bob.participants.flatMap(({ stream }) => stream.getTracks() as unknown as FakeTrack[]);
  expect(new Set(tracks).size).toBe(2);
});
