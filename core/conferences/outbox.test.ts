import { expect, it } from "vitest";
import { batch } from "./outbox";
import type { Outbox } from "./room-data";

/** Words of so many bytes each, the first of which is number 5. */
function outboxOf(...sizes: number[]): Outbox {
  const words = sizes.map((size, at) => ({
    word: { word: "event", event: { type: "participantLeft", id: `w${at}` } } as const,
    size,
  }));
  return { n: 5, words };
}

const together = (outbox: Outbox, from: number) =>
  batch(outbox, from).map((one) => one.word === "event" && "id" in one.event && one.event.id);

it("words go together up to 200 kB, in order, and a longer one alone", () => {
  const outbox = outboxOf(100_000, 100_000, 1, 300_000, 10);
  expect(together(outbox, 5)).toEqual(["w0", "w1"]);
  expect(together(outbox, 6)).toEqual(["w1", "w2"]);
  expect(together(outbox, 7)).toEqual(["w2"]);
  expect(together(outbox, 8)).toEqual(["w3"]);
  expect(together(outbox, 9)).toEqual(["w4"]);
  expect(together(outbox, 10)).toEqual([]);
  expect(together(outboxOf(0, 0, 0), 5)).toEqual(["w0", "w1", "w2"]);
});
