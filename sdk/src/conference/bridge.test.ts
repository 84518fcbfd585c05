import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RoomOperation, SessionDescription } from "../../../protocol";
import { type FakePeerConnection, FakeTrack, FakeWebRtc } from "../testing/webrtc";
import { Bridges } from "./bridge";
import type { Mixer } from "./mixer";
import type { BridgeHooks } from "./parts";

type Said = Extract<RoomOperation, { type: "bridge" | "bridgeFailed" }>;

let host: FakeWebRtc;
let gateway: FakeWebRtc;
let bridges: Bridges;
let said: Said[];
let voices: string[];
/** Phones for which something is mixed; undefined without a mixer. */
let mixed: Map<string, FakeTrack> | undefined;
let mixers = 0;
const set = vi.fn();

function fakeMixer(): Mixer {
  mixers += 1;
  const tracks = new Map<string, FakeTrack>();
  mixed = tracks;
  return {
    set,
    open(phone: string) {
      tracks.set(phone, new FakeTrack("audio"));
      return tracks.get(phone);
    },
    close: (phone: string) => tracks.delete(phone),
    end() {
      mixed = undefined;
    },
  } as unknown as Mixer;
}

function make(
  change: Partial<BridgeHooks["context"]> = {},
  open: typeof fakeMixer | null = fakeMixer,
): Bridges {
  const context = {
    runtime: { now: () => Date.now(), setTimeout, clearTimeout },
    options: {},
    ice: { fresh: [] },
    webrtc: host.webrtc,
    log: () => {},
    ...change,
  } as unknown as BridgeHooks["context"];
  return new Bridges(
    {
      context,
      send: (operation) => said.push(operation),
      voice: (id, voice) => voices.push(`${id} ${voice ? voice.track.kind : "over"}`),
    },
    open ?? undefined,
  );
}

const soon = (ms = 600) => vi.advanceTimersByTimeAsync(ms);
const types = () => said.map((one) => (one.type === "bridge" ? one.description.type : one.type));
const last = () => {
  const one = said.at(-1);
  if (one?.type !== "bridge") throw new Error("no description was said");
  return one.description;
};

/** The phone's gateway, which answers what the host has offered. */
async function answer(
  pc: FakePeerConnection,
  type: "answer" | "offer" = "answer",
): Promise<SessionDescription> {
  if (type === "answer") {
    const setting = pc.setRemoteDescription(last());
    await soon(5);
    await setting;
  }
  const setting = pc.setLocalDescription();
  await soon(5);
  await setting;
  return pc.localDescription as SessionDescription;
}

function newGateway(): FakePeerConnection {
  const { RTCPeerConnection } = gateway.webrtc;
  const pc = new RTCPeerConnection({}) as unknown as FakePeerConnection;
  pc.addTrack(new FakeTrack("audio"));
  return pc;
}

beforeEach(() => {
  vi.useFakeTimers();
  const world = new Set<FakePeerConnection>();
  host = new FakeWebRtc(world);
  gateway = new FakeWebRtc(world);
  said = [];
  voices = [];
  mixed = undefined;
  mixers = 0;
  set.mockClear();
  bridges = make();
});
afterEach(() => {
  bridges.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("the host of a phone", () => {
  it("offers with candidates, sends the mix, and hears the phone once it is answered", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    await soon();
    expect(types()).toEqual(["offer"]);
    expect(last().sdp).toContain("a=candidate");
    expect(host.last.transceivers.map(({ sender }) => sender.track)).toEqual([mixed?.get("p")]);
    const pc = newGateway();
    bridges.receive({ type: "bridgeDescription", id: "p", description: await answer(pc) });
    await soon(100);
    expect(voices).toEqual(["p audio"]);
    expect([host.last.connectionState, pc.connectionState]).toEqual(["connected", "connected"]);
  });

  it("hears what is played before the answer, and the answer after it", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    await soon();
    const description = await answer(newGateway());
    bridges.receive({ type: "bridgeDescription", id: "p", description, early: true });
    await soon(100);
    expect([host.last.signalingState, voices]).toEqual(["have-remote-pranswer", ["p audio"]]);
    bridges.receive({ type: "bridgeDescription", id: "p", description });
    await soon(100);
    expect(host.last.signalingState).toBe("stable");
  });

  it("answers when the gateway offers", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "sip" });
    await soon();
    const pc = newGateway();
    bridges.receive({ type: "bridgeDescription", id: "p", description: await answer(pc) });
    await soon(100);
    bridges.receive({ type: "bridgeDescription", id: "p", description: await answer(pc, "offer") });
    await soon(4_000);
    expect(types()).toEqual(["offer", "answer"]);
  });

  it("looks for new paths when the old ones break, and takes the answer to that; one that comes twice is nothing", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    await soon();
    const pc = newGateway();
    bridges.receive({ type: "bridgeDescription", id: "p", description: await answer(pc) });
    await soon(1_000);
    host.last.break();
    await soon(1_000);
    expect(types()).toEqual(["offer", "offer"]);
    const description = await answer(pc);
    bridges.receive({ type: "bridgeDescription", id: "p", description });
    bridges.receive({ type: "bridgeDescription", id: "p", description });
    await soon(1_000);
    expect([host.last.connectionState, host.last.signalingState]).toEqual(["connected", "stable"]);
    expect(types()).toEqual(["offer", "offer"]);
  });

  it("ends with what it had for the phone, and with the mixer when it was the last one", async () => {
    for (const id of ["p", "q"]) bridges.receive({ type: "bridge", id, line: "phone" });
    await soon();
    bridges.receive({ type: "bridgeEnded", id: "p" });
    expect([voices, mixed && [...mixed.keys()], mixers]).toEqual([["p over"], ["q"], 1]);
    expect(host.connections.map(({ connectionState }) => connectionState)).toEqual(["closed", "new"]);
    bridges.receive({ type: "bridgeEnded", id: "q" });
    expect(mixed).toBeUndefined();
  });

  it("mixes what there was before the first phone, and what there is later", async () => {
    const sources = new Map([["me", new FakeTrack("audio") as unknown as MediaStreamTrack]]);
    bridges.setSources(sources);
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    expect(set.mock.calls).toEqual([[sources, new Set()]]);
    bridges.setSources(sources, new Set(["p"]));
    expect(set).toHaveBeenLastCalledWith(sources, new Set(["p"]));
    await soon();
  });

  it("begins anew when it becomes the host of the same phone again", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    await soon();
    bridges.receive({ type: "bridge", id: "p", line: "phone", again: true });
    await soon();
    expect(types()).toEqual(["offer", "offer"]);
    expect(host.connections.map(({ connectionState }) => connectionState)).toEqual(["closed", "new"]);
  });

  it("says nothing any more of a phone that is gone", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    bridges.receive({ type: "bridgeEnded", id: "p" });
    await soon();
    bridges.receive({ type: "bridgeDescription", id: "p", description: { type: "answer", sdp: "" } });
    await soon();
    expect(said).toEqual([]);
  });

  it("makes no connection for a phone that was gone before the servers were known", async () => {
    let known = (_servers: never[]) => {};
    const get = () =>
      new Promise<never[]>((resolve) => {
        known = resolve;
      });
    bridges = make({ ice: { get } as never });
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    bridges.receive({ type: "bridgeEnded", id: "p" });
    known([]);
    await soon();
    expect(host.connections).toEqual([]);
  });
});

describe("who cannot be a host", () => {
  it.each([
    ["without Web Audio", {}, null],
    ["without WebRTC", { webrtc: undefined }, fakeMixer],
    [
      "without the list of servers",
      { ice: { get: () => Promise.reject(new Error("offline")) } as never },
      fakeMixer,
    ],
  ])("says so: %s", async (_, change, open) => {
    bridges = make(change, open);
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    await soon(4_000);
    expect(said).toEqual([{ type: "bridgeFailed", id: "p" }]);
    expect(mixed).toBeUndefined();
  });

  it("says so when the answer is of no use", async () => {
    bridges.receive({ type: "bridge", id: "p", line: "phone" });
    await soon();
    host.last.setRemoteDescription = () => Promise.reject(new Error("not understood"));
    bridges.receive({ type: "bridgeDescription", id: "p", description: { type: "answer", sdp: "?" } });
    await soon();
    expect(types()).toEqual(["offer", "bridgeFailed"]);
    expect(voices).toEqual(["p over"]);
  });
});
