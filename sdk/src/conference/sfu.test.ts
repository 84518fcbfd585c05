import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody, type SessionDescription, type SfuTrack } from "../../../protocol";
import type { Call } from "..";
import { Gathering } from "../testing/gathering";
import type { FakeRoom } from "../testing/room";
import type { FakePeerConnection, FakeTrack } from "../testing/webrtc";
import type { World } from "../testing/world";

let team: Gathering;
let world: World;
let room: FakeRoom;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
  world = team.world;
  room = team.room;
});
afterEach(() => vi.useRealTimers());

const device: Gathering["device"] = (name) => team.device(name);
const join: Gathering["join"] = (name, options) => team.join(name, options);

/** The connection with the SFU: the last one that was made. */
const sfu = (...of: Parameters<Gathering["device"]>): FakePeerConnection => device(...of).media.last;
const answer: SessionDescription = { type: "answer", sdp: "v=0\r\nid:sfu\r\n" };

function offering(tracks: SfuTrack[], direction = "sendonly"): SessionDescription {
  const media = tracks.map(({ mid, kind }) => `m=${kind}\r\na=mid:${mid}\r\na=${direction}\r\n`);
  return { type: "offer", sdp: `v=0\r\nid:sfu\r\n${media.join("")}` };
}

/** The room offers tracks, and the participant has answered after a moment. */
async function offers(call: Call, offer: number, tracks: SfuTrack[], session = 1): Promise<void> {
  room.say(call.callId, { type: "sfuOffer", session, offer, description: offering(tracks), tracks });
  await world.pass(10);
}

async function answers(call: Call, session = 1): Promise<void> {
  room.say(call.callId, { type: "sfuAnswer", session, description: answer });
  await world.pass(10);
}

function trackOf(pc: FakePeerConnection, mid: string): FakeTrack {
  const track = pc.transceivers.find((transceiver) => transceiver.mid === mid)?.receiver.track;
  if (!track) throw new Error("No such track.");
  return track;
}

const said = (call: Call) =>
  room.said.filter(({ from }) => from === call.callId).map(({ operation }) => operation);
const publishes = (call: Call) => room.operations(call.callId, "publish");
const heard = (call: Call, kind: "audio" | "video" = "audio") =>
  call.participants.map(({ stream }) => stream.getTracks().filter((track) => track.kind === kind));

test("in a large conference one publishes at once, and makes no connection with the others", async () => {
  room.plan = "sfu";
  await join("alice");
  const bob = await join("bob", { video: true });
  expect(device("bob").media.connections).toHaveLength(1);
  const [first, ...rest] = publishes(bob);
  expect(first).toMatchObject({ fresh: true, heard: 0, description: { type: "offer" } });
  expect(first?.description.sdp).not.toContain("a=candidate");
  expect(first?.tracks).toEqual([{ mid: "0", kind: "audio" }]);
  // The camera came while that was under way; it is offered when the answer is there.
  expect(rest).toEqual([]);
  await answers(bob);
  expect(publishes(bob)[1]).toMatchObject({
    heard: 0,
    tracks: [
      { mid: "0", kind: "audio" },
      { mid: "1", kind: "video" },
    ],
  });
  expect(publishes(bob)[1]).not.toHaveProperty("fresh");
  const [audio, video] = sfu("bob").transceivers.map(({ sender }) => sender);
  expect(audio?.track?.kind).toBe("audio");
  expect(video?.encodings?.map(({ rid }) => rid)).toEqual(["q1", "h1", "f1"]);
});

test.each([
  [960, 540, ["q1", "h1", "f1"]],
  [720, 1_280, ["q1", "h1", "f1"]],
  [640, 480, ["h1", "f1"]],
  [320, 240, undefined],
  [960, 120, undefined],
])("a camera of %i by %i pixels sends as many sizes as make sense", async (width, height, rids) => {
  room.plan = "sfu";
  await join("alice");
  Object.assign(device("bob").media, { width, height });
  const bob = await join("bob", { video: true });
  await answers(bob);
  const video = sfu("bob").transceivers[1]?.sender;
  expect(video?.encodings?.map(({ rid }) => rid)).toEqual(rids);
});

test("what the room offers is answered, and heard when it comes", async () => {
  room.plan = "sfu";
  const alice = await join("alice");
  const bob = await join("bob");
  await answers(bob);
  const events: string[] = [];
  bob.on("remoteTrack", ({ track, participant }) => events.push(`${track.kind} ${participant?.userId}`));
  await offers(bob, 1, [{ mid: "r1", id: alice.callId, kind: "audio" }]);
  expect(said(bob).at(-1)).toMatchObject({ type: "sfuAnswer", offer: 1, description: { type: "answer" } });
  expect(heard(bob)).toEqual([[]]);
  sfu("bob").become("connected");
  await world.pass(10);
  expect(events).toEqual([]);
  trackOf(sfu("bob"), "r1").unmute();
  expect(events).toEqual(["audio alice"]);
  expect(heard(bob)).toEqual([[trackOf(sfu("bob"), "r1")]]);
  room.say(bob.callId, { type: "sfuClosed", session: 1, mids: ["r1"] });
  await world.pass(10);
  expect(heard(bob)).toEqual([[]]);
});

test("of two offers at once the room's stands: this side's is rolled back, and made again", async () => {
  room.plan = "sfu";
  const alice = await join("alice");
  const bob = await join("bob");
  await answers(bob);
  const publish = publishes(bob).length;
  await Promise.all([bob.startVideo(), world.pass(20)]);
  expect(publishes(bob).at(-1)).toMatchObject({ heard: 0, tracks: [{ kind: "audio" }, { kind: "video" }] });
  await offers(bob, 1, [{ mid: "r1", id: alice.callId, kind: "audio" }]);
  expect(said(bob).slice(-2)).toMatchObject([
    { type: "sfuAnswer", offer: 1 },
    { type: "publish", heard: 1, tracks: [{ kind: "audio" }, { kind: "video" }] },
  ]);
  expect(publishes(bob)).toHaveLength(publish + 2);
  expect(sfu("bob").signalingState).toBe("have-local-offer");
  await answers(bob);
  expect(sfu("bob").signalingState).toBe("stable");
  expect(publishes(bob)).toHaveLength(publish + 2);
});

test("the move to the SFU leaves no gap, nobody is heard twice, and elements play on", async () => {
  const alice = await join("alice");
  const bob = await join("bob");
  const mesh = device("alice").media.last;
  const [before] = alice.participants;
  const [inMesh] = heard(alice)[0] ?? [];
  for (const call of [alice, bob]) room.say(call.callId, { type: "plan", plan: "sfu" });
  room.plan = "sfu";
  await world.pass(50);
  for (const call of [alice, bob]) await answers(call);
  sfu("alice").become("connected");
  await offers(alice, 1, [{ mid: "r1", id: bob.callId, kind: "audio" }]);
  expect(heard(alice)).toEqual([[inMesh]]);
  expect(mesh.connectionState).toBe("connected");
  const through = trackOf(sfu("alice"), "r1");
  through.unmute();
  // At its start it may stutter: the mesh is heard for half a second more.
  await world.pass(490);
  expect(heard(alice)).toEqual([[inMesh]]);
  await world.pass(20);
  expect(heard(alice)).toEqual([[through]]);
  expect(alice.participants[0]?.stream).toBe(before?.stream);
  // The other side still hears this one by the old way: both wait for each other.
  const [other] = device("bob").media.connections;
  await world.pass(10_000);
  expect([mesh.connectionState, other?.connectionState]).toEqual(["connected", "connected"]);
  sfu("bob").become("connected");
  await offers(bob, 1, [{ mid: "r1", id: alice.callId, kind: "audio" }]);
  trackOf(sfu("bob"), "r1").unmute();
  await world.pass(1_600);
  expect([mesh.connectionState, other?.connectionState]).toEqual(["closed", "closed"]);
  expect(heard(alice)).toEqual([[through]]);
  expect(alice.state).toBe("established");
});

test("one who is never heard through the SFU loses the mesh in the end, and one who leaves at once", async () => {
  const [alice] = [await join("alice"), await join("bob"), await join("carol")];
  const [bob, carol] = device("alice").media.connections;
  for (const call of [alice]) room.say(call.callId, { type: "plan", plan: "sfu" });
  await world.pass(29_000);
  expect([bob?.connectionState, carol?.connectionState]).toEqual(["connected", "connected"]);
  room.say(alice.callId, { type: "participantLeft", id: alice.participants[1]?.id ?? "" });
  await world.pass(10);
  expect([bob?.connectionState, carol?.connectionState]).toEqual(["connected", "closed"]);
  await world.pass(2_000);
  expect(bob?.connectionState).toBe("closed");
});

test("a session that fails is followed by a fresh one, after longer and longer pauses", async () => {
  room.plan = "sfu";
  const bob = await join("bob");
  await answers(bob);
  let session = 0;
  const fail = async (pause: number) => {
    session += 1;
    const count = publishes(bob).length;
    room.say(bob.callId, { type: "sfuFailed", session, error: errorBody("unavailable") });
    await world.pass(pause - 20);
    expect(publishes(bob)).toHaveLength(count);
    await world.pass(30);
    expect(publishes(bob)).toHaveLength(count + 1);
    expect(publishes(bob).at(-1)).toMatchObject({ fresh: true, heard: 0, tracks: [{ kind: "audio" }] });
  };
  await fail(1_000);
  await fail(2_000);
  await fail(4_000);
  await answers(bob, 4);
  sfu("bob").become("connected");
  await fail(1_000);
  expect(device("bob").media.connections.map(({ connectionState }) => connectionState)).toEqual([
    "closed",
    "closed",
    "closed",
    "closed",
    "new",
  ]);
  expect(bob.state).toBe("established");
});

test("a lost path leads to a fresh session, and an offer of the one before is not answered", async () => {
  room.plan = "sfu";
  const alice = await join("alice");
  const bob = await join("bob");
  await answers(bob);
  sfu("bob").become("connected");
  await offers(bob, 1, [{ mid: "r1", id: alice.callId, kind: "audio" }]);
  sfu("bob").break();
  await world.pass(2_900);
  expect(device("bob").media.connections).toHaveLength(1);
  await world.pass(200);
  expect(device("bob").media.connections).toHaveLength(2);
  expect(publishes(bob).at(-1)).toMatchObject({ fresh: true, heard: 0 });
  const answered = room.operations(bob.callId, "sfuAnswer").length;
  await offers(bob, 2, [{ mid: "r2", id: alice.callId, kind: "video" }]);
  room.say(bob.callId, { type: "sfuFailed", session: 1, error: errorBody("unavailable") });
  await world.pass(2_000);
  expect(room.operations(bob.callId, "sfuAnswer")).toHaveLength(answered);
  expect(device("bob").media.connections).toHaveLength(2);
  await answers(bob, 2);
  await offers(bob, 1, [{ mid: "r1", id: alice.callId, kind: "audio" }], 2);
  expect(room.operations(bob.callId, "sfuAnswer")).toHaveLength(answered + 1);
});

test("video is asked for as the app shows it, once for many changes", async () => {
  room.plan = "sfu";
  const alice = await join("alice", { video: true });
  const bob = await join("bob", { video: true });
  const carol = await join("carol");
  const shown = () => room.operations(carol.callId, "show").map(({ videos }) => videos);
  expect(shown()).toEqual([{ [alice.callId]: "m", [bob.callId]: "m" }]);
  carol.setVideoSize(alice.callId, { width: 1280, height: 720 });
  carol.setVideoSize(bob.callId, { width: 400, height: 300 });
  await world.pass(50);
  carol.setVideoSize(bob.callId, { width: 160, height: 90 });
  await world.pass(100);
  expect(shown().slice(1)).toEqual([{ [alice.callId]: "h", [bob.callId]: "l" }]);
  carol.setVideoSize(alice.callId, null);
  await world.pass(110);
  expect(shown().at(-1)).toEqual({ [bob.callId]: "l" });
  carol.setVideoSize(alice.callId, null);
  await world.pass(110);
  expect(shown()).toHaveLength(3);
});

test("a camera that is stopped is not published any more, and one that is changed needs no word", async () => {
  room.plan = "sfu";
  const bob = await join("bob", { video: true });
  await answers(bob);
  await answers(bob);
  const count = publishes(bob).length;
  await Promise.all([team.client("bob").videoController.setCaptureDevice("other"), world.pass(20)]);
  expect(publishes(bob)).toHaveLength(count);
  expect(sfu("bob").transceivers[1]?.sender.track).toBe(device("bob").media.opened.at(-1));
  bob.stopVideo();
  await world.pass(20);
  expect(publishes(bob).at(-1)?.tracks).toEqual([{ mid: "0", kind: "audio" }]);
  await answers(bob);
  await Promise.all([bob.startVideo(), world.pass(20)]);
  expect(publishes(bob).at(-1)?.tracks).toEqual([
    { mid: "0", kind: "audio" },
    // Another place: the SFU may have forgotten the one before.
    { mid: "2", kind: "video" },
  ]);
});

test("a screen goes out in one size, by a place of its own, and the camera after it in its sizes", async () => {
  room.plan = "sfu";
  const bob = await join("bob", { video: true });
  for (const _ of [1, 2]) await answers(bob);
  const sending = () =>
    sfu("bob")
      .transceivers.filter(({ sender, kind }) => kind === "video" && sender.track)
      .map(({ mid, sender }) => [mid, sender.encodings?.length]);
  expect(sending()).toEqual([["1", 3]]);
  await Promise.all([bob.startScreenSharing(), world.pass(20)]);
  await answers(bob);
  expect(sending()).toEqual([["2", undefined]]);
  expect(
    publishes(bob)
      .at(-1)
      ?.tracks.map(({ mid }) => mid),
  ).toEqual(["0", "2"]);
  await Promise.all([bob.stopScreenSharing(), world.pass(20)]);
  await answers(bob);
  expect(sending()).toEqual([["3", 3]]);
});

test("a camera whose picture is smaller gets a place with fewer sizes", async () => {
  room.plan = "sfu";
  const bob = await join("bob", { video: true });
  for (const _ of [1, 2]) await answers(bob);
  Object.assign(device("bob").media, { width: 640, height: 360 });
  await Promise.all([team.client("bob").videoController.setCaptureDevice("other"), world.pass(20)]);
  expect(
    publishes(bob)
      .at(-1)
      ?.tracks.map(({ mid }) => mid),
  ).toEqual(["0", "2"]);
  expect(sfu("bob").transceivers[2]?.sender.encodings?.map(({ rid }) => rid)).toEqual(["h2", "f2"]);
});

test("a description that has grown too long is not sent: a fresh session begins small", async () => {
  room.plan = "sfu";
  const bob = await join("bob");
  await answers(bob);
  const pc = sfu("bob");
  const { setLocalDescription } = pc;
  pc.setLocalDescription = async () => {
    await setLocalDescription.call(pc);
    if (pc.localDescription) pc.localDescription.sdp += "a=x\r\n".repeat(20_001);
  };
  await Promise.all([bob.startVideo(), world.pass(20)]);
  expect(publishes(bob)).toHaveLength(1);
  expect(pc.connectionState).toBe("closed");
  await world.pass(1_100);
  expect(publishes(bob).at(-1)).toMatchObject({
    fresh: true,
    tracks: [{ kind: "audio" }, { kind: "video" }],
  });
});

test("who is held by the app's server is not asked for", async () => {
  room.plan = "sfu";
  const alice = await join("alice", { video: true });
  const bob = await join("bob");
  const shown = () => room.operations(bob.callId, "show").map(({ videos }) => videos);
  const silence = { muted: false, held: true };
  room.say(bob.callId, { type: "participantChanged", change: { id: alice.callId, silence } });
  await world.pass(200);
  expect(shown()).toEqual([{ [alice.callId]: "m" }, {}]);
});

test("a microphone that is allowed late is published anew, and one that is in time is not", async () => {
  room.plan = "sfu";
  device("alice").media.permissionMs = 5_000;
  device("bob").media.permissionMs = 40_000;
  const alice = await join("alice");
  const bob = await join("bob");
  for (const call of [alice, bob]) await answers(call);
  await world.pass(50_000);
  expect(publishes(alice)).toHaveLength(1);
  expect(publishes(bob).map(({ tracks }) => tracks)).toEqual([
    [{ mid: "0", kind: "audio" }],
    [{ mid: "1", kind: "audio" }],
  ]);
});

test("the end closes the connection with the SFU", async () => {
  room.plan = "sfu";
  const bob = await join("bob");
  await answers(bob);
  bob.hangup();
  await world.pass(20_000);
  expect(sfu("bob").connectionState).toBe("closed");
  expect(device("bob").media.connections).toHaveLength(1);
});
