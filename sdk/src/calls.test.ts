import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { errorBody } from "../../protocol";
import type { Call, CarillonClient } from ".";
import { type Device, World } from "./testing/world";

let world: World;
let alice: Device;
let bob: Device;
let caller: CarillonClient;
let callee: CarillonClient;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  alice = world.device("alice");
  bob = world.device("bob");
  caller = await alice.started({ displayName: "Alice" });
  callee = await bob.started();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function incoming(client: CarillonClient, seen: (call: Call) => void = () => {}): { call: Call | undefined } {
  const box: { call: Call | undefined } = { call: undefined };
  client.callClient.on("incomingCall", (call) => {
    box.call = call;
    seen(call);
  });
  return box;
}

function eventsOf(call: Call): string[] {
  const events: string[] = [];
  for (const event of ["progressing", "ringing", "answered", "established", "ended"] as const) {
    call.on(event, () => events.push(event));
  }
  return events;
}

async function establish(): Promise<{ out: Call; into: Call }> {
  const box = incoming(callee);
  const out = caller.callClient.callUser("bob");
  await world.pass(100);
  box.call?.answer();
  await world.pass(1_000);
  if (!box.call) throw new Error("No call came.");
  expect([out.state, box.call.state]).toEqual(["established", "established"]);
  return { out, into: box.call };
}

test("a call goes through its states on both sides", async () => {
  let into: string[] = [];
  const box = incoming(callee, (call) => {
    into = eventsOf(call);
  });
  const out = caller.callClient.callUser("bob", { headers: { order: "4711" } });
  expect(out.state).toBe("initiating");
  const events = eventsOf(out);
  await world.pass(100);
  expect(box.call).toMatchObject({
    remoteUserId: "alice",
    remoteDisplayName: "Alice",
    headers: { order: "4711" },
    direction: "incoming",
    state: "ringing",
  });
  box.call?.answer();
  await world.pass(1_000);
  await world.pass(5_000);
  out.hangup();
  expect(out.state).toBe("ended");
  await world.pass(10);
  expect(events).toEqual(["progressing", "ringing", "answered", "established", "ended"]);
  expect(into).toEqual(["ringing", "answered", "established", "ended"]);
  for (const call of [out, box.call]) {
    expect(call?.details).toMatchObject({ endCause: "hungUp", callId: out.callId });
    expect(call?.details.duration).toBeGreaterThanOrEqual(5);
  }
  expect(caller.callClient.calls).toEqual([]);
});

test("nothing of the callee leaves before the answer: no description, no candidate, no microphone, no check", async () => {
  const box = incoming(callee);
  caller.callClient.callUser("bob", { video: true });
  await world.pass(5_000);
  expect(world.server.operations("bob").map(({ op }) => op.op)).toEqual(["ringing"]);
  expect(bob.media.opened).toEqual([]);
  expect(bob.media.last.localDescription).not.toBeNull();
  expect(bob.media.last.remoteCandidates).toEqual([]);

  box.call?.answer();
  await world.pass(2);
  const [answer] = world.server.operations("bob", "answer");
  expect(answer?.op).toMatchObject({ op: "answer", description: { type: "answer" } });
  expect(answer?.op.op === "answer" && answer.op.candidates.length).toBe(3);
  expect(bob.media.last.remoteCandidates).toHaveLength(3);
});

test("a microphone that is opened while it rings sends nothing, and is closed when the call is declined", async () => {
  vi.stubGlobal("navigator", { permissions: { query: async () => ({ state: "granted" }) } });
  await callee.terminate();
  const box = incoming(await bob.started({ prewarmMicrophone: true }));
  caller.callClient.callUser("bob");
  await world.pass(100);
  expect(bob.media.opened).toHaveLength(1);
  expect(bob.media.last.transceivers.map(({ sender }) => sender.track)).toEqual([null]);
  box.call?.hangup();
  expect(bob.media.opened[0]?.readyState).toBe("ended");
});

test("without WebRTC a call fails and says so", async () => {
  const out = (await alice.started({ webrtc: undefined })).callClient.callUser("bob");
  await world.pass(10);
  expect(out.details).toMatchObject({ endCause: "failure", error: { errorName: "webrtcUnavailable" } });
});

test("the offer does not wait for the microphone and holds no candidates, which come in batches", async () => {
  alice.media.permissionMs = 10_000;
  caller.callClient.callUser("bob");
  await world.pass(100);
  const [start] = world.server.operations("alice", "start");
  expect(start?.op.op === "start" && start.op.offer?.sdp).not.toMatch(/a=(candidate|end-of-candidates)/);
  const batches = world.server
    .operations("alice", "candidates")
    .map(({ op }) => (op.op === "candidates" ? op.candidates.length : 0));
  expect(batches.reduce((sum, size) => sum + size, 0)).toBe(3);
  expect(batches.length).toBeLessThanOrEqual(2);
});

test("a microphone that is refused ends the call with the reason", async () => {
  alice.media.mediaError = Object.assign(new Error("no"), { name: "NotAllowedError" });
  const out = caller.callClient.callUser("bob");
  await world.pass(100);
  expect(out.details).toMatchObject({
    endCause: "failure",
    error: { errorName: "permissionDenied", domain: "media" },
  });
  const [hangup] = world.server.operations("alice", "hangup");
  expect(hangup?.op).toMatchObject({ error: { name: "permissionDenied" } });
});

test("an offline user is a failure with its error, and the statistics say so", async () => {
  const out = caller.callClient.callUser("carol");
  const failed = vi.fn();
  out.on("ended", failed);
  await world.pass(100);
  expect(failed).toHaveBeenCalledTimes(1);
  expect(out.details).toMatchObject({ endCause: "failure", error: { errorName: "userOffline" } });
  const upload = alice.requests.find(({ path }) => path === "/v1/statistics");
  expect(upload?.body).toMatchObject({
    callId: out.callId,
    direction: "outgoing",
    endCause: "failure",
    errorCode: 40402,
  });
});

test("hangup in the incoming-call event dismisses the call before it rings", async () => {
  incoming(callee, (call) => call.hangup());
  const out = caller.callClient.callUser("bob");
  await world.pass(100);
  expect(world.server.operations("bob").map(({ op }) => op.op)).toEqual(["hangup"]);
  expect(out.details.endCause).toBe("denied");
  expect(out.details.ringingTime).toBeUndefined();
});

test("answer in the incoming-call event works, after the ringing", async () => {
  incoming(callee, (call) => call.answer());
  const out = caller.callClient.callUser("bob");
  await world.pass(1_000);
  expect(out.state).toBe("established");
  expect(
    world.server
      .operations("bob")
      .map(({ op }) => op.op)
      .slice(0, 2),
  ).toEqual(["ringing", "answer"]);
});

test("a call that is cancelled before anything left tells the server nothing", async () => {
  const out = caller.callClient.callUser("bob");
  out.hangup();
  await world.pass(100);
  expect(out.details.endCause).toBe("canceled");
  expect(world.server.operations("alice")).toEqual([]);
});

test("the other devices end with otherDeviceAnswered", async () => {
  const tablet = world.device("bob");
  const other = incoming(await tablet.started());
  const { out } = await establish();
  expect(other.call?.details.endCause).toBe("otherDeviceAnswered");
  expect(out.state).toBe("established");
  expect(tablet.media.opened).toEqual([]);
});

test("two devices that answer at once: one has the call, the other ends", async () => {
  const tablet = world.device("bob");
  const second = incoming(await tablet.started());
  const first = incoming(callee);
  caller.callClient.callUser("bob");
  await world.pass(100);
  first.call?.answer();
  second.call?.answer();
  await world.pass(3_000);
  expect(first.call?.state).toBe("established");
  expect(second.call?.details.endCause).toBe("otherDeviceAnswered");
  expect(tablet.media.opened.every(({ readyState }) => readyState === "ended")).toBe(true);
  // A check of the slower one's network would reach the caller, and spoil its connection.
  expect(tablet.media.last.remoteCandidates).toEqual([]);
});

test("answer in the background waits until the page is back", async () => {
  const box = incoming(callee);
  const out = caller.callClient.callUser("bob");
  await world.pass(100);
  bob.page.fire("hidden");
  box.call?.answer();
  await world.pass(1_000);
  expect(out.state).toBe("ringing");
  bob.page.fire("visible");
  await world.pass(1_000);
  expect(out.state).toBe("established");
});

test("mute, hold and pause are told, silence the tracks, and need no renegotiation", async () => {
  const { out, into } = await establish();
  out.mute();
  await world.pass(5);
  expect(into.remoteMedia.muted).toBe(true);
  const [track] = alice.media.opened;
  expect(track?.enabled).toBe(false);
  out.unmute();
  out.hold();
  await world.pass(5);
  expect(into.remoteMedia).toMatchObject({ muted: false, held: true });
  expect(track?.enabled).toBe(false);
  out.resume();
  await world.pass(5);
  expect(track?.enabled).toBe(true);
  expect(world.server.operations("alice", "description")).toEqual([]);
});

test("both add video at once: the offers collide and video runs both ways", async () => {
  const { out, into } = await establish();
  await Promise.all([out.startVideo(), into.startVideo(), world.pass(500)]);
  await world.pass(500);
  for (const { last } of [alice.media, bob.media]) {
    expect(last.signalingState).toBe("stable");
    expect(last.transceivers.filter(({ kind, sender }) => kind === "video" && sender.track)).toHaveLength(1);
  }
  expect([out.remoteMedia.video, into.remoteMedia.video]).toEqual(["on", "on"]);
});

test("a call outlives its connection, on both sides, and what was said meanwhile arrives", async () => {
  const { out, into } = await establish();
  alice.network = "down";
  alice.cut();
  await world.pass(2_000);
  out.mute();
  into.mute();
  await world.pass(5_000);
  expect([out.state, into.remoteMedia.muted]).toEqual(["established", false]);
  alice.network = "up";
  alice.page.fire("online");
  await world.pass(100);
  expect([into.remoteMedia.muted, out.remoteMedia.muted]).toEqual([true, true]);
});

test("a hang-up while offline ends the call here at once and there on return", async () => {
  const { out, into } = await establish();
  alice.network = "down";
  alice.cut();
  out.hangup();
  expect(out.details.endCause).toBe("hungUp");
  await world.pass(1_000);
  expect(into.state).toBe("established");
  alice.network = "up";
  await world.pass(16_000);
  expect(into.details.endCause).toBe("hungUp");
});

test("media that stops is told within seconds, ICE restarts, and the call goes on", async () => {
  const { out, into } = await establish();
  const warnings: string[] = [];
  out.on("qualityWarning", ({ reason, active }) => warnings.push(`${reason} ${active}`));
  const before = alice.media.last.id;
  alice.media.up = false;
  await world.pass(4_500);
  expect(world.server.operations("alice", "flowing").at(-1)?.op).toMatchObject({ flowing: false });
  alice.media.up = true;
  await world.pass(6_000);
  expect(alice.media.last.id).not.toBe(before);
  expect(world.server.operations("alice", "flowing").at(-1)?.op).toMatchObject({ flowing: true });
  expect(warnings).toEqual(["mediaLost true", "mediaLost false"]);
  expect([out.state, into.state]).toEqual(["established", "established"]);
});

test("the end stops every track and closes the connection", async () => {
  const { out, into } = await establish();
  world.server.end(out.callId, "failure", errorBody("mediaFailed"));
  await world.pass(10);
  expect(into.details).toMatchObject({ endCause: "failure", error: { errorName: "mediaFailed" } });
  for (const { opened, last } of [alice.media, bob.media]) {
    expect(opened.map(({ readyState }) => readyState)).toEqual(["ended"]);
    expect(last.connectionState).toBe("closed");
  }
});

test("statistics that fail are sent once more, and never trouble the app", async () => {
  const { out } = await establish();
  alice.http = () => ({ status: 503 });
  out.hangup();
  await world.pass(20_000);
  expect(alice.requests.filter(({ path }) => path === "/v1/statistics")).toHaveLength(2);
});

test("acknowledgements travel with operations, and alone only when many events wait for one", async () => {
  const { out, into: call } = await establish();
  expect(world.server.operations("alice", "candidates").at(-1)?.ack).toBeGreaterThan(0);
  await world.pass(20_000);
  const alone = () => world.server.sentBy("alice").filter((name) => name === "ack").length;
  expect(alone()).toBe(0);
  for (let i = 0; i < 20; i++) {
    if (i % 2) call.unmute();
    else call.mute();
    await world.pass(5);
  }
  await world.pass(20_000);
  expect(alone()).toBe(1);
  out.hangup();
});

test("a blind transfer makes the other side call the new one", async () => {
  const { out, into: call } = await establish();
  await expect(call.transfer("zwölf")).rejects.toMatchObject({ errorName: "invalidUse" });
  const next = new Promise((resolve) => out.on("transferred", resolve));
  const done = call.transfer("carol");
  await world.pass(100);
  await done;
  expect(await next).toMatchObject({ direction: "outgoing", remoteUserId: "carol" });
  expect([out.details.endCause, call.details.endCause]).toEqual(["hungUp", "hungUp"]);
});

test("a tab that closes says goodbye; terminate ends the calls and the client", async () => {
  const { out } = await establish();
  bob.page.fire("close");
  await world.pass(5);
  expect(world.server.sentBy("bob").at(-1)).toBe("goodbye");
  await caller.terminate();
  expect(out.state).toBe("ended");
  expect(() => caller.callClient.callUser("bob")).toThrow("terminated");
  await expect(caller.start()).rejects.toMatchObject({ errorName: "terminated" });
});

test("wrong arguments are refused on the spot", () => {
  const { callClient } = caller;
  expect(() => callClient.callUser("")).toThrow("user id");
  expect(() => callClient.callUser("bob", { headers: { a: "x".repeat(1_024) } })).toThrow("1024");
  expect(() => callClient.callUser("bob", { ringSeconds: 4 })).toThrow("ringSeconds");
});

test("whichever sockets drop while a call is set up, it is established, and its end reaches both", async () => {
  const cut = fc.record({ who: fc.constantFrom("alice", "bob"), at: fc.integer({ min: 0, max: 400 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(cut, { maxLength: 6 }), async (cuts) => {
      const place = new World();
      const [one, other] = [place.device("alice"), place.device("bob")];
      const [from, to] = [await one.started(), await other.started()];
      const box = incoming(to, (call) => call.on("ringing", () => setTimeout(() => call.answer(), 50)));
      for (const { who, at } of cuts) setTimeout(() => (who === "alice" ? one : other).cut(), at);
      const out = from.callClient.callUser("bob");
      const events = eventsOf(out);
      await place.pass(25_000);
      expect([out.state, box.call?.state]).toEqual(["established", "established"]);
      expect(events.filter((event) => event === "established")).toHaveLength(1);
      box.call?.hangup();
      other.cut();
      await place.pass(25_000);
      expect(out.details.endCause).toBe("hungUp");
      await Promise.all([from.terminate(), to.terminate()]);
    }),
    { numRuns: 60, seed: 4711 },
  );
});
