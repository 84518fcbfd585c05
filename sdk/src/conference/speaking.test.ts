import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Voice } from "./parts";
import { Speaking } from "./speaking";

/** A receiver that says how loud its newest packet was; `stated` for one that says it in its statistics alone. */
class FakeReceiver {
  level = 0;
  flowing = true;
  #packet = 0;

  constructor(readonly stated = false) {}

  getSynchronizationSources() {
    if (this.stated) return [{ timestamp: 1 }];
    if (this.flowing) this.#packet += 1;
    return [
      { timestamp: this.#packet - 50, audioLevel: 0.9 },
      { timestamp: this.#packet, audioLevel: this.level },
    ];
  }

  async getStats() {
    const audioLevel = this.level;
    return new Map<string, object>([
      ["codec", { type: "codec" }],
      ["in", { type: "inbound-rtp", audioLevel }],
    ]);
  }
}

const told: string[] = [];
let voices: Map<string, Voice>;
let speaking: Speaking;

const join = (id: string, receiver = new FakeReceiver()) => {
  voices.set(id, { track: { enabled: true }, receiver } as unknown as Voice);
  return receiver;
};

beforeEach(() => {
  vi.useFakeTimers();
  told.length = 0;
  voices = new Map();
  const runtime = { now: () => Date.now(), setTimeout, clearTimeout };
  speaking = new Speaking({
    runtime,
    voices: () => voices,
    changed: (ids, active) => told.push(`${[...ids]}|${active}`),
  });
});
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("speaking", () => {
  it("is told when it begins and when it ends, and at no other time", async () => {
    const anna = join("anna");
    join("bert");
    speaking.start();
    speaking.start();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual([]);
    anna.level = 0.5;
    await vi.advanceTimersByTimeAsync(2_000);
    expect(told).toEqual(["anna|anna"]);
    anna.level = 0;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual(["anna|anna", "|anna"]);
    speaking.stop();
    expect(told).toEqual(["anna|anna", "|anna", "|"]);
  });

  it("is over when no packets come, whatever the last one said", async () => {
    const anna = join("anna");
    anna.level = 0.5;
    speaking.start();
    await vi.advanceTimersByTimeAsync(600);
    anna.flowing = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual(["anna|anna", "|anna"]);
    speaking.stop();
  });

  it("is read from the statistics where packets do not say it", async () => {
    const anna = join("anna", new FakeReceiver(true));
    anna.level = 0.5;
    speaking.start();
    await vi.advanceTimersByTimeAsync(600);
    expect(told).toEqual(["anna|anna"]);
    speaking.stop();
  });

  it("is nobody's who is not played", async () => {
    const anna = join("anna");
    anna.level = 0.5;
    const voice = voices.get("anna");
    if (voice) voice.track.enabled = false;
    speaking.start();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual([]);
    speaking.stop();
  });

  it("begins anew after a stop, with who comes then", async () => {
    speaking.start();
    speaking.stop();
    join("anna").level = 0.5;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual([]);
    speaking.start();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(told).toEqual(["anna|anna"]);
    speaking.stop();
  });
});
