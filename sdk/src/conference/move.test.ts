import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Call } from "..";
import { Gathering } from "../testing/gathering";
import type { FakePeerConnection, FakeTrack } from "../testing/webrtc";

let team: Gathering;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
});
afterEach(() => vi.useRealTimers());

const heard = (call: Call, kind = "audio") =>
  call.participants.map(({ stream }) => stream.getTracks().filter((track) => track.kind === kind));

function trackOf(pc: FakePeerConnection, mid: string): FakeTrack {
  const track = pc.transceivers.find((transceiver) => transceiver.mid === mid)?.receiver.track;
  if (!track) throw new Error("No such track.");
  return track;
}

/** Alice and Bob are in a mesh, which moves to the SFU: all but that Bob's tracks flow there. */
async function moving(kinds: ("audio" | "video")[] = ["audio"]) {
  const alice = await team.join("alice");
  const bob = await team.join("bob");
  const mesh = team.device("alice").media.last;
  const [inMesh] = heard(alice)[0] ?? [];
  team.room.plan = "sfu";
  team.room.tell({ type: "plan", plan: "sfu" });
  await team.world.pass(50);
  const sfu = team.device("alice").media.last;
  const sdp = "v=0\r\nid:sfu\r\n";
  team.room.say(alice.callId, { type: "sfuAnswer", session: 1, description: { type: "answer", sdp } });
  await team.world.pass(10);
  sfu.become("connected");
  team.room.say(alice.callId, {
    type: "sfuOffer",
    session: 1,
    offer: 1,
    description: {
      type: "offer",
      sdp: sdp + kinds.map((kind, at) => `m=${kind}\r\na=mid:r${at}\r\na=sendonly\r\n`).join(""),
    },
    tracks: kinds.map((kind, at) => ({ mid: `r${at}`, id: bob.callId, kind })),
  });
  await team.world.pass(10);
  return { alice, bob, mesh, sfu, inMesh };
}

test("a voice that stutters at its start is heard through the mesh until it does not", async () => {
  const { alice, sfu, inMesh } = await moving();
  const voice = trackOf(sfu, "r0");
  voice.unmute();
  await team.world.pass(300);
  voice.muted = true;
  await team.world.pass(1_000);
  expect(heard(alice)).toEqual([[inMesh]]);
  expect(voice).not.toBe(inMesh);
  voice.unmute();
  await team.world.pass(490);
  expect(heard(alice)[0]?.[0]).toBe(inMesh);
  await team.world.pass(20);
  expect(heard(alice)[0]?.[0]).toBe(voice);
});

test("who is not heard in the mesh is heard through the SFU at once", async () => {
  const { alice, bob, sfu } = await moving();
  team.room.tell({ type: "participantLeft", id: bob.callId });
  const carol = await team.join("carol");
  const offer = { type: "offer" as const, sdp: "v=0\r\nid:sfu\r\nm=audio\r\na=mid:r9\r\na=sendonly\r\n" };
  const tracks = [{ mid: "r9", id: carol.callId, kind: "audio" as const }];
  team.room.say(alice.callId, { type: "sfuOffer", session: 1, offer: 2, description: offer, tracks });
  await team.world.pass(10);
  trackOf(sfu, "r9").unmute();
  expect(heard(alice)[0]?.[0]).toBe(trackOf(sfu, "r9"));
});

test("a session that fails gives back what the mesh still brings", async () => {
  const { alice, mesh, sfu, inMesh } = await moving();
  const tracks: MediaStreamTrack[] = [];
  alice.on("remoteTrack", ({ track }) => tracks.push(track));
  const voice = trackOf(sfu, "r0");
  voice.unmute();
  await team.world.pass(600);
  expect(heard(alice)[0]?.[0]).toBe(voice);
  sfu.become("failed");
  await team.world.pass(100);
  expect(mesh.connectionState).toBe("connected");
  expect(heard(alice)[0]).toHaveLength(1);
  expect(heard(alice)[0]?.[0]).toBe(inMesh);
  expect(tracks).toHaveLength(2);
  expect(tracks[0]).toBe(voice);
  expect(tracks[1]).toBe(inMesh);
  // When the mesh has gone, too, nothing is left.
  await team.world.pass(30_000);
  expect([mesh.connectionState, heard(alice)]).toEqual(["closed", [[]]]);
});

test("what comes late in the mesh does not take the place of what the SFU brings", async () => {
  const { alice, mesh, sfu } = await moving(["audio", "video"]);
  for (const mid of ["r0", "r1"]) trackOf(sfu, mid).unmute();
  await team.world.pass(600);
  const late = mesh.addTransceiver("video", { direction: "sendrecv" });
  mesh.ontrack?.({ track: late.receiver.track, transceiver: late });
  await team.world.pass(10);
  expect(heard(alice, "video")[0]?.[0]).toBe(trackOf(sfu, "r1"));
  await team.world.pass(40_000);
  expect(heard(alice, "video")[0]).toHaveLength(1);
  expect(heard(alice, "video")[0]?.[0]).toBe(trackOf(sfu, "r1"));
});
