import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Silence } from "../../../protocol";
import type { Call } from "..";
import { Gathering } from "../testing/gathering";

let team: Gathering;

beforeEach(async () => {
  vi.useFakeTimers();
  team = await Gathering.begin();
});
afterEach(() => vi.useRealTimers());

const enabled = (call: Call) =>
  call.participants.map(({ stream }) => stream.getTracks().map((track) => track.enabled));

test("nothing comes after the end, also when a listener brings it about", async () => {
  await team.join("alice");
  await team.join("bob");
  const call = team.client("carol").callClient.callConference("team");
  const events: string[] = [];
  call.on("participantJoined", ({ userId }) => {
    events.push(userId);
    call.hangup();
  });
  for (const event of ["participantUpdated", "activeSpeakers", "remoteTrack", "silenced"] as const) {
    call.on(event, () => events.push(event));
  }
  call.on("ended", () => events.push("ended"));
  await team.world.pass(3_000);
  expect(events).toEqual(["alice", "ended"]);
});

test("who speaks is not told after the end", async () => {
  const alice = await team.join("alice");
  await team.join("bob");
  const events: string[] = [];
  const { receiver } = team.device("alice").media.last.transceivers[0] ?? {};
  let packet = 0;
  if (receiver) receiver.getSynchronizationSources = () => [{ timestamp: packet++, audioLevel: 0.5 }];
  alice.on("participantUpdated", () => alice.hangup());
  alice.on("activeSpeakers", () => events.push("activeSpeakers"));
  alice.on("ended", () => events.push("ended"));
  await team.world.pass(3_000);
  expect(events).toEqual(["ended"]);
});

test("quality comes once a second, also when the first connection never comes about", async () => {
  const alice = await team.join("alice");
  // Nothing comes of Bob as long as his microphone is not allowed.
  team.device("bob").media.permissionMs = 3_600_000;
  await team.join("bob");
  await team.join("carol");
  let count = 0;
  alice.on("quality", () => {
    count += 1;
  });
  await team.world.pass(10_000);
  expect(count).toBeGreaterThanOrEqual(8);
  expect(count).toBeLessThanOrEqual(10);
});

test("of two connections quality comes once a second", async () => {
  const alice = await team.join("alice");
  await team.join("bob");
  await team.world.pass(500);
  await team.join("carol");
  let count = 0;
  alice.on("quality", () => {
    count += 1;
  });
  await team.world.pass(10_000);
  expect(count).toBeGreaterThanOrEqual(8);
  expect(count).toBeLessThanOrEqual(10);
});

test("statistics that fail once do not end quality through the SFU", async () => {
  team.room.plan = "sfu";
  await team.join("alice");
  const pc = team.device("alice").media.last;
  const { getStats } = pc;
  let asked = 0;
  pc.getStats = async () => {
    asked += 1;
    if (asked === 2) throw new Error("The connection is busy.");
    return getStats.call(pc);
  };
  await team.world.pass(10_000);
  expect(asked).toBeGreaterThan(5);
});

test("how long media takes is no figure of who waits alone", async () => {
  const alice = await team.join("alice");
  await team.world.pass(600_000);
  const bob = await team.join("bob");
  for (const call of [alice, bob]) call.hangup();
  await team.world.pass(1_000);
  const [first, second] = (["alice", "bob"] as const).map((name) =>
    team.device(name).requests.find(({ path }) => path === "/v1/statistics"),
  );
  expect(first?.body).toBeDefined();
  expect(first?.body.mediaAfterAnswer).toBeUndefined();
  expect(second?.body.mediaAfterAnswer).toBeLessThan(1_000);
});

test("where there are no elements, hold silences what comes in, whoever has decided it", async () => {
  const alice = await team.join("alice");
  const bob = await team.join("bob", { video: true });
  expect(enabled(alice)).toEqual([[true, true]]);
  alice.hold();
  expect(enabled(alice)).toEqual([[false, false]]);
  alice.resume();
  expect(enabled(alice)).toEqual([[true, true]]);
  const silenced = (id: string, silence: Silence) => {
    if (id === alice.callId) team.room.say(id, { type: "silence", silence });
    else team.room.say(alice.callId, { type: "participantChanged", change: { id, silence } });
    return team.world.pass(10);
  };
  await silenced(alice.callId, { muted: false, held: true });
  expect(enabled(alice)).toEqual([[false, false]]);
  await silenced(alice.callId, { muted: false, held: false });
  await silenced(bob.callId, { muted: true, held: false });
  // Silenced: to be seen all the same.
  expect(enabled(alice)).toEqual([[false, true]]);
  await silenced(bob.callId, { muted: false, held: true });
  expect(enabled(alice)).toEqual([[false, false]]);
});

test("a connection that cannot be made is a line in the log", async () => {
  const lines: string[] = [];
  const alice = await team.join("alice");
  team.client("alice").on("logMessage", ({ message }) => lines.push(message));
  const { connections } = team.device("alice").media;
  connections.push = () => {
    throw new Error("Cannot create so many PeerConnections");
  };
  await team.join("bob");
  expect(lines.join()).toContain("so many PeerConnections");
  expect(alice.state).toBe("established");
});

test("a camera that is stopped while it opens does not come on", async () => {
  const alice = await team.join("alice");
  team.device("alice").media.permissionMs = 500;
  const starting = alice.startVideo();
  alice.stopVideo();
  await Promise.all([starting, team.world.pass(1_000)]);
  const camera = team.device("alice").media.opened.at(-1);
  expect([alice.video, camera?.kind, camera?.readyState]).toEqual(["off", "video", "ended"]);
  await Promise.all([alice.startVideo(), team.world.pass(1_000)]);
  expect(alice.video).toBe("on");
});
