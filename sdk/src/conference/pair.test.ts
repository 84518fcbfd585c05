import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Call } from "..";
import { Gathering } from "../testing/gathering";
import { FakeTrack } from "../testing/webrtc";

const phone = "0190a5b0-0000-7000-8000-000000000002";
let team: Gathering;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
});
afterEach(() => vi.useRealTimers());

/** A phone is in, and Alice is its host. */
function seatPhone(host: Call): void {
  const quiet = { muted: false, held: false };
  team.room.tell({
    type: "participantJoined",
    participant: {
      id: phone,
      userId: "+14155550101",
      line: "phone",
      joined: Date.now(),
      media: { ...quiet, video: "off" },
      silence: quiet,
      host: host.callId,
    },
  });
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
