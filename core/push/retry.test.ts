import { expect, test } from "vitest";
import type { CallPush, MessagePush } from "./content";
import type { PushOutcome } from "./outcome";
import { retryDelay } from "./retry";

const now = 1_800_000_000_000;
const day = 86_400_000;
const call = { type: "call" } as CallPush;
const message = { type: "message" } as MessagePush;
const down: PushOutcome = { kind: "temporary", reason: "down" };

/** The delays until it is given up, when each attempt fails at once. */
function delays(content: CallPush | MessagePush, lifetime: number, outcome = down) {
  const found: number[] = [];
  let time = now;
  for (;;) {
    const push = { content, expires: now + lifetime };
    const delay = retryDelay(push, outcome, found.length + 1, time);
    if (delay === null) return found;
    found.push(delay);
    time += delay * 1_000;
  }
}

test("a call is tried again while it rings", () => {
  expect(delays(call, 45_000)).toEqual([1, 2, 4, 8, 16]);
});

test("a message is tried again for its 30 days, at most twice a day in the end", () => {
  const found = delays(message, 30 * day);
  expect(found.slice(0, 4)).toEqual([5, 10, 20, 40]);
  expect(Math.max(...found)).toBe(43_200);
  expect(found.reduce((sum, delay) => sum + delay, 0)).toBeGreaterThan(29 * 86_400);
  expect(found.length).toBeLessThan(80);
});

test("a provider that asks for time gets it, and a call that has none is given up", () => {
  expect(retryDelay({ content: message, expires: now + day }, { ...down, retryAfter: 600 }, 1, now)).toBe(
    600,
  );
  expect(retryDelay({ content: message, expires: now + day }, { ...down, retryAfter: 1 }, 3, now)).toBe(20);
  expect(
    retryDelay({ content: call, expires: now + 45_000 }, { ...down, retryAfter: 60 }, 1, now),
  ).toBeNull();
  const days = { ...down, retryAfter: 5 * 86_400 };
  expect(retryDelay({ content: message, expires: now + 30 * day }, days, 1, now)).toBe(43_200);
});

test("somebody has to upload a credential that is missing: a message is tried by the hour, a call not at all", () => {
  const missing: PushOutcome = { kind: "credential", reason: "", missing: true };
  expect(delays(call, 45_000, missing)).toEqual([]);
  const found = delays(message, 30 * day, missing);
  expect(found.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 3_600));
  expect(found.at(-1)).toBe(43_200);
});

test.each([
  { kind: "sent" },
  { kind: "dead", reason: "" },
  { kind: "fault", reason: "" },
] satisfies PushOutcome[])("nothing follows $kind", (outcome) => {
  expect(retryDelay({ content: message, expires: now + day }, outcome, 1, now)).toBeNull();
});

test.each([
  { kind: "credential", reason: "" },
  { kind: "throttled", reason: "" },
] satisfies PushOutcome[])("another attempt follows $kind", (outcome) => {
  expect(retryDelay({ content: message, expires: now + day }, outcome, 1, now)).toBe(5);
});
