import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Signal } from "../../../protocol";
import { defaultRuntime } from "../runtime";
import { layerOf } from "./shown";
import { Signals } from "./signals";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function sent(signals: Signal[]): number[] {
  const sizes: number[] = [];
  const options = { applicationKey: "", userId: "", environmentHost: "" };
  const outbox = new Signals(defaultRuntime(options), async (all) => {
    sizes.push(all.length);
    return undefined;
  });
  for (const signal of signals) outbox.add(signal);
  vi.advanceTimersByTime(10);
  return sizes;
}

test("signals of one moment go together, as many as the server takes and half a frame at most", () => {
  const candidate: Signal = { peer: "p", candidates: [{ candidate: "candidate:1" }] };
  const offer: Signal = { peer: "p", description: { type: "offer", sdp: "v=0\r\n".repeat(3_000) } };
  expect(sent([])).toEqual([]);
  expect(sent(Array(5).fill(candidate))).toEqual([5]);
  expect(sent(Array(130).fill(candidate))).toEqual([64, 64, 2]);
  expect(sent(Array(5).fill(offer))).toEqual([2, 2, 1]);
});

test("a picture's width decides on its layer", () => {
  const layers = [1_280, 640, 639, 320, 319, 1].map((width) => layerOf({ width, height: 100 }));
  expect(layers).toEqual(["h", "h", "m", "m", "l", "l"]);
});
