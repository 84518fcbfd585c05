import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Mixer } from "./mixer";

const track = (id: string) => ({ id }) as unknown as MediaStreamTrack;

/** As strict as the real one: what is not connected cannot be disconnected. */
class FakeNode {
  readonly hears = new Set<string>();
  readonly stream = { getAudioTracks: () => this.tracks, getTracks: () => this.tracks };
  private readonly tracks = [{ stop: () => this.hears.clear() }];

  constructor(readonly name: string) {}

  connect(to: FakeNode): void {
    if (to.hears.has(this.name)) throw new Error(`${this.name} twice`);
    to.hears.add(this.name);
  }

  disconnect(from: FakeNode): void {
    if (!from.hears.delete(this.name)) throw new Error(`${this.name} was not connected`);
  }
}

class FakeContext {
  state = "suspended";
  onstatechange: (() => void) | null = null;
  readonly outputs: FakeNode[] = [];
  resumed = 0;
  sources = 0;

  createMediaStreamDestination() {
    const node = new FakeNode("out");
    this.outputs.push(node);
    return node;
  }
  createMediaStreamSource({ tracks: [only] }: { tracks: { id: string }[] }) {
    if (only?.id === "other rate") throw new Error("another sample rate");
    this.sources += 1;
    return new FakeNode(only?.id ?? "");
  }
  async resume() {
    this.resumed += 1;
  }
  async close() {
    this.state = "closed";
  }
}

let context: FakeContext;
let mixer: Mixer;
const failed = vi.fn();

/** What each phone hears, in the order in which they came. */
const heard = () => context.outputs.map(({ hears }) => [...hears].sort().join(" "));
const set = (sources: Record<string, string>, deaf: string[] = []) =>
  mixer.set(new Map(Object.entries(sources).map(([id, of]) => [id, track(of)])), new Set(deaf));

beforeEach(() => {
  vi.stubGlobal(
    "MediaStream",
    class {
      constructor(readonly tracks: unknown[]) {}
    },
  );
  failed.mockClear();
  context = new FakeContext();
  mixer = new Mixer(context as unknown as AudioContext, failed);
});
afterEach(() => vi.unstubAllGlobals());

describe("the mixer", () => {
  it("gives each phone everybody but itself", () => {
    mixer.open("phone");
    set({ me: "microphone", anna: "a", phone: "p" });
    mixer.open("other");
    expect(heard()).toEqual(["a microphone", "a microphone p"]);
  });

  it("follows who comes and goes, and a microphone that is changed", () => {
    mixer.open("phone");
    const microphone = track("microphone");
    mixer.set(new Map([["me", microphone]]), new Set());
    mixer.set(
      new Map([
        ["me", microphone],
        ["anna", track("a")],
      ]),
      new Set(),
    );
    expect([heard(), context.sources]).toEqual([["a microphone"], 2]);
    set({ me: "headset" });
    expect(heard()).toEqual(["headset"]);
    set({});
    expect(heard()).toEqual([""]);
  });

  it("lets a phone that is held hear nothing", () => {
    mixer.open("phone");
    mixer.open("other");
    set({ me: "microphone", other: "o" }, ["phone"]);
    expect(heard()).toEqual(["", "microphone"]);
    set({ me: "microphone", phone: "p", other: "o" });
    expect(heard()).toEqual(["microphone o", "microphone p"]);
  });

  it("goes on without a voice that it cannot take", () => {
    mixer.open("phone");
    set({ me: "other rate", anna: "a" });
    expect(heard()).toEqual(["a"]);
    expect(failed).toHaveBeenCalledOnce();
  });

  it("forgets a phone that hung up", () => {
    mixer.open("phone");
    mixer.open("other");
    set({ me: "microphone" });
    mixer.close("phone");
    set({ me: "microphone", anna: "a" });
    expect(heard()).toEqual(["", "a microphone"]);
  });

  it("wakes the context at each use and whenever it falls asleep, until it is closed", () => {
    expect(context.resumed).toBe(1);
    set({});
    expect(context.resumed).toBe(2);
    context.state = "running";
    context.onstatechange?.();
    expect(context.resumed).toBe(2);
    context.state = "interrupted";
    context.onstatechange?.();
    expect(context.resumed).toBe(3);
    mixer.end();
    expect([context.onstatechange, context.state]).toEqual([null, "closed"]);
  });
});
