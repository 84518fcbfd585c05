import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody } from "../../../protocol";
import type { Call } from "..";
import { Gathering } from "../testing/gathering";
import { FakeTrack } from "../testing/webrtc";

const phone = "0190a5b0-0000-7000-8000-000000000002";
let team: Gathering;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A phone is in, and Alice is its host. */
function seatPhone(host: Call, id = phone): void {
  const quiet = { muted: false, held: false };
  team.room.tell({
    type: "participantJoined",
    participant: {
      id,
      userId: "+14155550101",
      line: "phone",
      joined: Date.now(),
      media: { ...quiet, video: "off" },
      silence: quiet,
      host: host.callId,
    },
  });
}

/** Voices can be mixed here, though nothing is to be heard of it. */
function withMixing(): void {
  const source = { connect: () => {}, disconnect: () => {} };
  class Context {
    state = "running";
    createMediaStreamSource = () => source;
    createMediaStreamDestination() {
      const track = new FakeTrack("audio");
      return { stream: { getAudioTracks: () => [track], getTracks: () => [track] } };
    }
    async close() {}
  }
  vi.stubGlobal("AudioContext", Context);
  vi.stubGlobal("MediaStream", class {});
}

/** The part of the SDK that phones need is loaded by then, and the offer is said. */
async function becomesHost(call: Call): Promise<void> {
  team.room.say(call.callId, { type: "bridge", id: phone, line: "phone" });
  await team.world.pass(10);
  await vi.dynamicImportSettled();
  await team.world.pass(1_000);
}

/** What the other one describes, as it says it now. */
function describes(to: Call, from: Call, sdp: string, tracks?: Record<string, string>): Promise<void> {
  const description = { type: "offer" as const, sdp };
  team.room.say(to.callId, {
    type: "signal",
    signals: [{ peer: from.callId, description, ...(tracks && { tracks }) }],
  });
  return team.world.pass(50);
}

const voices = (call: Call) =>
  Object.fromEntries(call.participants.map(({ userId, stream }) => [userId, stream.getAudioTracks()]));

test("what comes back by the place of a phone's voice is not the voice of the one who sends it", async () => {
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  const before = voices(alice).bob;
  const { last } = team.device("alice").media;
  // As the host does for a phone.
  last.addTransceiver(new FakeTrack("audio"), { direction: "sendonly" });
  await team.world.pass(50);
  expect(last.transceivers[1]?.mid).toBe("1");
  const id = team.device("bob").media.last.id;
  await describes(
    alice,
    bob,
    `v=0\r\nid:${id}\r\nm=audio\r\na=mid:0\r\nm=audio\r\na=mid:1\r\na=sendrecv\r\n`,
  );
  expect(before).toHaveLength(1);
  expect(voices(alice).bob).toEqual(before);
});

test("a voice whose name the room has taken away is nobody's", async () => {
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  const before = voices(bob).alice;
  const { id } = team.device("alice").media.last;
  const sdp = `v=0\r\nid:${id}\r\nm=audio\r\na=mid:0\r\na=sendrecv\r\nm=audio\r\na=mid:1\r\na=sendonly\r\n`;
  await describes(bob, alice, sdp, {});
  expect(before).toHaveLength(1);
  expect(voices(bob).alice).toEqual(before);
});

test("names of an offer that was ignored name nothing of this side's", async () => {
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  seatPhone(bob);
  await team.world.pass(10);
  // Alice offers her camera as mid 1 at the moment at which Bob offers a phone's voice as his.
  const { id } = team.device("bob").media.last;
  const starting = alice.startVideo();
  await team.world.pass(7);
  expect(team.device("alice").media.last.signalingState).toBe("have-local-offer");
  const sdp = `v=0\r\nid:${id}\r\nm=audio\r\na=mid:0\r\nm=audio\r\na=mid:1\r\na=sendonly\r\n`;
  team.room.say(alice.callId, {
    type: "signal",
    signals: [{ peer: bob.callId, description: { type: "offer", sdp }, tracks: { 1: phone } }],
  });
  await Promise.all([starting, team.world.pass(100)]);
  await Promise.all([bob.startVideo(), team.world.pass(100)]);
  const [first, voice] = alice.participants;
  expect(first?.stream.getTracks().map(({ kind }) => kind)).toEqual(["audio", "video"]);
  expect([voice?.userId, voice?.stream.getTracks()]).toEqual(["+14155550101", []]);
});

test("a picture is no phone's, whatever it is named", async () => {
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  seatPhone(alice);
  await team.world.pass(10);
  const { id } = team.device("alice").media.last;
  const places = ["audio", "video", "video"].map((kind, mid) => `m=${kind}\r\na=mid:${mid}\r\n`);
  await describes(bob, alice, `v=0\r\nid:${id}\r\n${places.join("")}`, { 2: phone });
  expect(bob.participants.map(({ stream }) => stream.getTracks().length)).toEqual([2, 0]);
});

test("a phone's voice goes with the connection that has brought it", async () => {
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  seatPhone(alice);
  await team.world.pass(10);
  const { id } = team.device("alice").media.last;
  const sdp = `v=0\r\nid:${id}\r\nm=audio\r\na=mid:0\r\nm=audio\r\na=mid:1\r\na=sendonly\r\n`;
  await describes(bob, alice, sdp, { 1: phone });
  const heard = () => bob.participants.map(({ stream }) => stream.getTracks().length);
  expect(heard()).toEqual([1, 1]);
  team.room.say(bob.callId, { type: "plan", plan: "sfu" });
  await team.world.pass(31_000);
  expect(heard()).toEqual([0, 0]);
});

test("what comes back by the place of a phone's voice is nobody's, though the place had a name once", async () => {
  withMixing();
  const other = "0190a5b0-0000-7000-8000-000000000003";
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  const { last } = team.device("alice").media;
  seatPhone(bob, other);
  team.room.say(alice.callId, { type: "signal", signals: [{ peer: bob.callId, tracks: { 1: other } }] });
  seatPhone(alice);
  await becomesHost(alice);
  expect(team.room.operations(alice.callId, "bridge")).toHaveLength(1);
  const answer = "v=0\r\nid:gateway\r\nm=audio\r\na=mid:0\r\na=sendrecv\r\n";
  team.room.say(alice.callId, {
    type: "bridgeDescription",
    id: phone,
    description: { type: "answer", sdp: answer },
  });
  await team.world.pass(100);
  expect(last.transceivers.map(({ mid, direction }) => [mid, direction])).toEqual([
    ["0", "sendrecv"],
    ["1", "sendonly"],
  ]);
  const { id } = team.device("bob").media.last;
  await describes(
    alice,
    bob,
    `v=0\r\nid:${id}\r\nm=audio\r\na=mid:0\r\nm=audio\r\na=mid:1\r\na=sendrecv\r\n`,
  );
  const heard = alice.participants.map(({ stream }) => stream.getTracks().length);
  // Bob, the phone that he is the host of, and the one that is hosted here.
  expect(heard).toEqual([1, 0, 1]);
});

test("a host whose offer for a phone is refused leaves it to another one", async () => {
  withMixing();
  const alice = await team.join("alice");
  team.room.refuses = ({ type }) => (type === "bridge" ? errorBody("rateLimited") : undefined);
  await becomesHost(alice);
  expect(team.room.operations(alice.callId, "bridgeFailed")).toEqual([{ type: "bridgeFailed", id: phone }]);
});
