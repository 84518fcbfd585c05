import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type CallRate, errorBody, type SessionDescription } from "../../protocol";
import type { Call, CarillonClient } from ".";
import { FakePeerConnection, FakeTrack, FakeWebRtc } from "./testing/webrtc";
import { type Device, World } from "./testing/world";

const number = "+46701234567";
const rate: CallRate = { currency: "USD", perMinute: 20_000, connectFee: 0, increment: 60 };

let world: World;
let alice: Device;
let client: CarillonClient;

beforeEach(async () => {
  vi.useFakeTimers();
  world = new World();
  alice = world.device("alice");
  alice.media.early = false;
  client = await alice.started();
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** The far end of the media. */
class Gateway {
  readonly media = new FakeWebRtc(world.peers);
  readonly pc = new FakePeerConnection(world.peers, this.media);

  async describe(offer: SessionDescription): Promise<SessionDescription> {
    await Promise.all([this.pc.setRemoteDescription(offer), world.pass(1)]);
    for (const transceiver of this.pc.transceivers) {
      transceiver.direction = "sendrecv";
      transceiver.sender.track = new FakeTrack("audio");
    }
    await Promise.all([this.pc.setLocalDescription(), world.pass(1)]);
    return { type: "answer", sdp: this.pc.localDescription?.sdp ?? "" };
  }
}

function started() {
  const op = world.server.operations("alice", "start").at(-1)?.op;
  if (op?.op !== "start" || !op.offer) throw new Error("No call was started.");
  return { ...op, offer: op.offer };
}

async function answered(call: Call, headers?: Record<string, string>): Promise<Gateway> {
  const gateway = new Gateway();
  const description = await gateway.describe(started().offer);
  world.server.line(call.callId, {
    event: "answered",
    description,
    candidates: [],
    time: Date.now(),
    headers,
  });
  await world.pass(1_000);
  expect(call.state).toBe("established");
  return gateway;
}

async function dialled(): Promise<Call> {
  const call = client.callClient.callPhoneNumber(number);
  await world.pass(100);
  return call;
}

test("a phone and a SIP address are called as what they are, with all candidates in the offer", async () => {
  const call = client.callClient.callPhoneNumber(number, { headers: { "x-order": "4711" }, ringSeconds: 20 });
  await world.pass(100);
  const { to, line, video, headers, ringSeconds, offer } = started();
  expect({ to, line, video, headers, ringSeconds }).toEqual({
    to: number,
    line: "phone",
    video: false,
    headers: { "x-order": "4711" },
    ringSeconds: 20,
  });
  expect(offer.sdp.match(/^a=candidate:/gm)).toHaveLength(3);
  expect(world.server.operations("alice", "candidates")).toEqual([]);
  expect(call).toMatchObject({ remoteUserId: number, line: "phone", direction: "outgoing" });

  client.callClient.callSip("echo@example.com", { video: true });
  await world.pass(100);
  expect(started()).toMatchObject({ to: "echo@example.com", line: "sip", video: true });
});

test("a description waits for its candidates for half a second, and goes with those that are there", async () => {
  alice.media.gatherMs = 60_000;
  client.callClient.callPhoneNumber(number);
  await world.pass(490);
  expect(world.server.operations("alice", "start")).toEqual([]);
  await world.pass(30);
  expect(started().offer.sdp.match(/^a=candidate:/gm)).toHaveLength(3);
});

test("a call is not dialled without a candidate: it waits for one for seconds, and fails without", async () => {
  alice.media.candidateMs = 1_200;
  client.callClient.callPhoneNumber(number);
  await world.pass(1_150);
  expect(world.server.operations("alice", "start")).toEqual([]);
  await world.pass(60);
  expect(started().offer.sdp).toContain("a=candidate:");

  alice.media.candidateMs = 60_000;
  const call = client.callClient.callPhoneNumber(number);
  await world.pass(3_400);
  expect(call.state).toBe("initiating");
  await world.pass(200);
  expect(call.details).toMatchObject({ endCause: "failure", error: { errorName: "mediaFailed" } });
  expect(world.server.operations("alice", "start")).toHaveLength(1);
});

test("a hangup while candidates are gathered is the last that is said", async () => {
  const call = await dialled();
  await answered(call);
  alice.media.last.restartIce();
  await world.pass(10);
  call.hangup();
  await world.pass(10_000);
  expect(world.server.sentBy("alice").at(-1)).toBe("hangup");
});

test("an offer that the other side's network refuses is taken back, and what comes later is negotiated", async () => {
  const call = await dialled();
  const gateway = await answered(call);
  const { last } = alice.media;
  last.restartIce();
  await world.pass(100);
  const refusal = { type: "rollback", sdp: "" } as const;
  world.server.line(call.callId, { event: "description", description: refusal, candidates: [] });
  await world.pass(100);
  expect(last.signalingState).toBe("stable");
  // The browser says again that it wants it: the network is not asked for ever.
  expect(world.server.operations("alice", "description")).toHaveLength(1);

  // The far end offers.
  await Promise.all([gateway.pc.setLocalDescription(), world.pass(1)]);
  const sdp = gateway.pc.localDescription?.sdp ?? "";
  world.server.line(call.callId, {
    event: "description",
    description: { type: "offer", sdp },
    candidates: [],
  });
  await world.pass(600);
  const described = () => world.server.operations("alice", "description").map(({ op }) => op);
  expect(described().at(-1)).toMatchObject({ description: { type: "answer" } });

  // And the next own change is offered.
  void call.startVideo();
  await world.pass(600);
  expect(described().at(-1)).toMatchObject({ description: { type: "offer" } });
  expect(described()).toHaveLength(3);
  // It may come late, when there is nothing to take back any more.
  world.server.line(call.callId, { event: "description", description: refusal, candidates: [] });
  world.server.line(call.callId, { event: "description", description: refusal, candidates: [] });
  await world.pass(100);
  expect([last.signalingState, call.state]).toEqual(["stable", "established"]);
});

test("a description does not go with the first candidate alone", async () => {
  alice.media.early = true;
  client.callClient.callPhoneNumber(number);
  await world.pass(25);
  expect(world.server.operations("alice", "start")).toEqual([]);
  await world.pass(20);
  expect(started().offer.sdp).toContain("a=candidate:");
});

test("new paths go with their candidates, and what is renegotiated on the old ones does not wait", async () => {
  const call = await dialled();
  const gateway = await answered(call);
  alice.media.last.restartIce();
  await world.pass(10);
  expect(world.server.operations("alice", "description")).toEqual([]);
  await world.pass(50);
  const [restart] = world.server.operations("alice", "description");
  if (restart?.op.op !== "description") throw new Error("No description was sent.");
  expect(restart.op.description.sdp).toContain(`a=candidate:${alice.media.last.id} 3`);
  const description = await gateway.describe(restart.op.description);
  world.server.line(call.callId, { event: "description", description, candidates: [] });
  await world.pass(10);
  expect(alice.media.last.signalingState).toBe("stable");
  expect(world.server.operations("alice", "candidates")).toEqual([]);
});

test("what the network plays before the answer is heard, whether the answer is the same or another one", async () => {
  for (const same of [true, false]) {
    const call = await dialled();
    const events: string[] = [];
    call.on("remoteTrack", ({ stream }) => events.push(`track ${stream.getTracks().length}`));
    call.on("answered", () => events.push("answered"));
    const early = new Gateway();
    const description = await early.describe(started().offer);
    world.server.line(call.callId, { event: "ringing", time: Date.now() });
    world.server.line(call.callId, { event: "earlyMedia", description });
    await world.pass(100);
    expect([call.state, alice.media.last.signalingState]).toEqual(["ringing", "have-remote-pranswer"]);
    expect(alice.media.last.connectionState).toBe("connected");
    expect(events).toEqual(["track 1"]);
    expect(world.server.operations("alice", "flowing")).toHaveLength(same ? 0 : 1);

    if (same)
      world.server.line(call.callId, { event: "answered", description, candidates: [], time: Date.now() });
    else await answered(call);
    await world.pass(1_000);
    expect(call.state).toBe("established");
    expect(events.slice(0, 2)).toEqual(["track 1", "answered"]);
    call.hangup();
  }
});

test("an answer that cannot be applied ends the call instead of leaving it hanging", async () => {
  const call = await dialled();
  const refuse = async () => Promise.reject(new Error("SDP nobody understands"));
  alice.media.last.setRemoteDescription = refuse;
  const description = { type: "answer", sdp: "?" } as const;
  world.server.line(call.callId, { event: "answered", description, candidates: [], time: Date.now() });
  await world.pass(10);
  expect(call.details).toMatchObject({ endCause: "failure", error: { errorName: "mediaFailed" } });
});

test("the packets are as long as the phone's network asks for", async () => {
  const call = await dialled();
  const sdp = "v=0\r\nm=audio 9\r\na=ptime:20\r\n";
  const description = { type: "answer", sdp } as const;
  world.server.line(call.callId, { event: "answered", description, candidates: [], time: Date.now() });
  await world.pass(10);
  expect(alice.media.last.remoteDescription?.sdp).toBe(sdp);
});

test("headers of the answer and of the end are there, and what it costs is known as soon as the server says it", async () => {
  world.server.rate = rate;
  const call = await dialled();
  expect(call.details).toMatchObject({ rate, cost: undefined });
  expect(call.remoteHeaders).toEqual({});
  await answered(call, { "x-agent": "7" });
  expect(call.remoteHeaders).toEqual({ "x-agent": "7" });
  const cost = { currency: "USD", amount: 20_000 };
  world.server.lineEnd = { cost, headers: { "x-why": "done" } };
  world.server.end(call.callId, "hungUp");
  await world.pass(5);
  expect(call.details.cost).toEqual(cost);
  expect(call.remoteHeaders).toEqual({ "x-agent": "7", "x-why": "done" });
});

test("what a call has cost that was hung up here comes a moment later, and is told", async () => {
  const call = await dialled();
  await answered(call);
  const cost = { currency: "USD", amount: 20_000 };
  world.server.lineEnd = { cost };
  const told = vi.fn();
  call.on("cost", told);
  call.hangup();
  expect(call.details).toMatchObject({ endCause: "hungUp", cost: undefined });
  await world.pass(5);
  expect(call.details.cost).toEqual(cost);
  expect(told.mock.calls).toEqual([[cost]]);
});

test.each(["before", "after"])(
  "what it has cost is heard when the connection drops %s a hangup is taken",
  async (when) => {
    const call = await dialled();
    await answered(call);
    const cost = { currency: "USD", amount: 20_000 };
    world.server.lineEnd = { cost, headers: { "x-why": "done" } };
    const told = vi.fn();
    call.on("cost", told);
    call.hangup();
    if (when === "after") await world.pass(1);
    alice.cut();
    await world.pass(2_000);
    expect(told.mock.calls).toEqual([[cost]]);
    expect(call.remoteHeaders).toEqual({ "x-why": "done" });
    // Once it is heard, it is not sent any more.
    alice.cut();
    await world.pass(2_000);
    expect(world.server.operations("alice", "hangup")).toHaveLength(when === "after" ? 2 : 1);
  },
);

test("the end is told before the cost, which is known by then when the other side has ended the call", async () => {
  const cost = { currency: "USD", amount: 20_000 };
  for (const here of [true, false]) {
    const call = await dialled();
    await answered(call);
    world.server.lineEnd = { cost, headers: { "x-why": "done" } };
    const told: unknown[] = [];
    call.on("ended", () => told.push("ended", call.details.cost, call.remoteHeaders["x-why"]));
    call.on("cost", () => told.push("cost", call.state));
    if (here) call.hangup();
    else world.server.end(call.callId, "hungUp");
    await world.pass(5);
    const known = here ? [undefined, undefined] : [cost, "done"];
    expect(told).toEqual(["ended", ...known, "cost", "ended"]);
  }
});

test("tones go in the media where it takes them, beside it otherwise, and come from beside it", async () => {
  const call = await dialled();
  expect(() => call.sendDTMF("1")).toThrow("not in a call");
  await answered(call);
  const insertDTMF = vi.fn();
  const [transceiver] = alice.media.last.transceivers;
  if (transceiver) transceiver.sender.dtmf = { canInsertDTMF: false, toneBuffer: "9", insertDTMF };
  call.sendDTMF("1#");
  await world.pass(5);
  expect(world.server.operations("alice", "dtmf").map(({ op }) => op)).toEqual([{ op: "dtmf", keys: "1#" }]);
  expect(insertDTMF).not.toHaveBeenCalled();
  if (transceiver?.sender.dtmf) transceiver.sender.dtmf.canInsertDTMF = true;
  call.sendDTMF("a");
  expect(insertDTMF).toHaveBeenCalledWith("9A");
  expect(() => call.sendDTMF("e")).toThrow("keys");
  const heard = vi.fn();
  call.on("dtmf", heard);
  world.server.line(call.callId, { event: "dtmf", keys: "42" });
  await world.pass(5);
  expect(heard).toHaveBeenCalledWith("42");
});

test.each(["here", "there"])("a call that is held %s may be silent for long", async (where) => {
  const call = await dialled();
  const gateway = await answered(call);
  const warned = vi.fn();
  call.on("qualityWarning", warned);
  if (where === "here") call.hold();
  else world.server.line(call.callId, { event: "media", media: { muted: false, held: true, video: "off" } });
  gateway.media.up = false;
  await world.pass(120_000);
  expect(world.server.operations("alice", "description")).toEqual([]);
  expect(world.server.operations("alice", "flowing").map(({ op }) => op)).toEqual([
    { op: "flowing", flowing: true },
  ]);
  expect([call.state, warned.mock.calls]).toEqual(["established", []]);

  // Back from hold, silence counts again.
  if (where === "here") call.resume();
  else world.server.line(call.callId, { event: "media", media: { muted: false, held: false, video: "off" } });
  await world.pass(2_000);
  expect(warned).not.toHaveBeenCalled();
  await world.pass(4_000);
  expect(warned).toHaveBeenCalled();
});

test("a phone network's refusal is an error of its own domain, with what it said", async () => {
  const call = await dialled();
  world.server.end(
    call.callId,
    "denied",
    errorBody("sipFailed", { sip: { status: 486, reason: "Busy Here" } }),
  );
  await world.pass(5);
  expect(call.details).toMatchObject({
    endCause: "denied",
    error: { errorName: "sipFailed", domain: "sip", sip: { status: 486, reason: "Busy Here" } },
  });
});

test("wrong arguments are refused on the spot", async () => {
  const { callClient } = client;
  for (const wrong of ["46701234567", "+46 70", "+46x", "+", ""]) {
    expect(() => callClient.callPhoneNumber(wrong)).toThrow("number");
  }
  for (const wrong of ["example.com", "@example.com", "echo@"]) {
    expect(() => callClient.callSip(wrong)).toThrow("address");
  }
  expect(() => callClient.callPhoneNumber(number, { headers: { order: "4711" } })).toThrow("headers");
  expect(() => callClient.callSip("a@b", { headers: { "x-a": "x".repeat(1_024) } })).toThrow("headers");
  expect(() => callClient.callSip("a@b", { ringSeconds: 121 })).toThrow("ringSeconds");
  const stranger = world.device("bob").client();
  expect(() => stranger.callClient.callPhoneNumber(number)).toThrow("start()");
});

// ---- the test number ----------------------------------------------------------------------------

/** As much of an AudioContext as is used. */
class FakeAudioContext {
  static last: FakeAudioContext | undefined;
  readonly track = new FakeTrack("audio");
  readonly said: string[] = [];

  constructor() {
    FakeAudioContext.last = this;
  }

  createBufferSource() {
    return {
      buffer: null as string | null,
      connect: () => this.said.push("connected"),
      start: () => this.said.push("started"),
    };
  }

  createMediaStreamDestination() {
    return { stream: { getTracks: () => [this.track] } };
  }

  async decodeAudioData(bytes: ArrayBuffer): Promise<string> {
    return new TextDecoder().decode(bytes);
  }

  async close(): Promise<void> {
    this.said.push("closed");
  }
}

async function tested(listen = (_: Call) => {}): Promise<Call> {
  const call = client.callClient.callPhoneNumber("+46000000000");
  listen(call);
  await world.pass(100);
  const description = { type: "answer", sdp: "" } as const;
  const prompt = "/prompts/connected.mp3";
  world.server.line(call.callId, {
    event: "answered",
    description,
    candidates: [],
    prompt,
    time: Date.now(),
  });
  await world.pass(50);
  return call;
}

test("the test number's recording is the remote track of an ordinary call, and goes with it", async () => {
  vi.stubGlobal("AudioContext", FakeAudioContext);
  const call = await tested();
  const { track, said } = FakeAudioContext.last ?? new FakeAudioContext();
  expect(call.state).toBe("established");
  expect(call.incomingStream?.getTracks()).toEqual([track]);
  expect(alice.requests.at(-1)).toMatchObject({ method: "GET", path: "/prompts/connected.mp3" });
  expect(said).toEqual(["connected", "started"]);
  await world.pass(7_000);
  expect(world.server.operations("alice", "flowing").map(({ op }) => op)).toEqual([
    { op: "flowing", flowing: true },
  ]);
  world.server.end(call.callId, "hungUp");
  await world.pass(5);
  expect(said).toEqual(["connected", "started", "closed"]);
  expect(call.details).toMatchObject({ endCause: "hungUp", cost: undefined });
  expect(alice.media.last.connectionState).toBe("closed");
  const statistics = alice.requests.filter(({ path }) => path === "/v1/statistics");
  expect(statistics.map(({ body }) => body.mediaAfterAnswer)).toEqual([0]);
});

test("an app that hangs up as soon as it has the recording's track is left with nothing", async () => {
  vi.stubGlobal("AudioContext", FakeAudioContext);
  const call = await tested((one) => one.on("remoteTrack", () => one.hangup()));
  expect(call.state).toBe("ended");
  expect(FakeAudioContext.last?.said).toContain("closed");
  expect(world.server.operations("alice", "flowing")).toEqual([]);
});

test("the test number is there where nothing can be heard, and where the recording cannot be had", async () => {
  expect((await tested()).state).toBe("established");
  vi.stubGlobal("AudioContext", FakeAudioContext);
  alice.http = () => ({ status: 404 });
  FakeAudioContext.prototype.decodeAudioData = async () => Promise.reject(new Error("not audio"));
  const log = vi.fn();
  client.on("logMessage", log);
  const call = await tested();
  expect(call.state).toBe("established");
  expect(log).toHaveBeenCalledWith(expect.objectContaining({ level: "warning", area: "media" }));
});
