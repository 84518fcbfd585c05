import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Message, serverLimits } from "../../protocol";
import { MapStore } from "../testing/map-store";
import { Notes } from "./notes";
import { Outbox } from "./outbox";

const start = Date.UTC(2026, 10, 21);
const day = 86_400_000;
let made = 0;

function message(time = start, text = "hello"): Message {
  made += 1;
  return {
    id: `0199b0a0-0000-7000-8000-${made.toString(16).padStart(12, "0")}`,
    from: "alice",
    to: ["bob"],
    text,
    headers: {},
    time,
  };
}

describe("an outbox", () => {
  it("keeps a message once, over a restart", () => {
    const kv = new MapStore();
    const one = message();
    new Outbox(kv, () => 0).add("bob", [one], start);
    const outbox = new Outbox(kv, () => 0);
    expect(outbox.add("bob", [{ ...one, time: start + 5 }], start + 5)).toEqual([
      { ok: true, value: { time: start } },
    ]);
    expect(outbox.add("bob", [{ ...one, text: "other" }], start)[0]).toMatchObject({
      error: { name: "conflict" },
    });
    expect(outbox.first("bob", 10)).toEqual([one]);
  });

  it("has a limit for each recipient, and says when to try again", () => {
    const outbox = new Outbox(new MapStore(), () => 0);
    const many = Array.from({ length: serverLimits.outboxMessages }, () => message());
    expect(outbox.add("bob", many, start).every(({ ok }) => ok)).toBe(true);
    expect(outbox.add("bob", [message()], start)[0]).toMatchObject({
      error: { name: "unavailable", retryAfter: 30 },
    });
    expect(outbox.add("carol", [message()], start)[0]?.ok).toBe(true);
    const long = new Outbox(new MapStore(), () => 0);
    const taken = long.add(
      "bob",
      Array.from({ length: 40 }, () => message(start, "x".repeat(16_384))),
      start,
    );
    expect(taken.findIndex(({ ok }) => !ok)).toBe(30);
  });

  it("waits longer after each failure, an hour at most, and from the beginning after a success", () => {
    const outbox = new Outbox(new MapStore(), () => 1);
    outbox.add("bob", [message(), message()], start);
    const waits = Array.from({ length: 14 }, () => {
      const now = outbox.next ?? 0;
      outbox.failed("bob", now);
      return ((outbox.next ?? 0) - now) / 1_000;
    });
    expect(waits.slice(0, 4)).toEqual([2, 4, 8, 16]);
    expect(waits.at(-1)).toBe(3_600);
    outbox.done("bob", 1);
    outbox.failed("bob", start);
    expect(outbox.next).toBe(start + 2_000);
    outbox.done("bob", 1);
    expect(outbox.next).toBeNull();
  });

  it("gives up what is older than 30 days, and nothing else", () => {
    const outbox = new Outbox(new MapStore(), () => 0);
    const [old, young] = [message(start), message(start + day)];
    outbox.add("bob", [old, young], start);
    expect(outbox.expire(start + 30 * day - 1)).toEqual([]);
    expect(outbox.expire(start + 30 * day)).toEqual([{ recipient: "bob", message: old }]);
    expect(outbox.first("bob", 9)).toEqual([young]);
  });

  it("hands out everything once and in order, however often it fails, and restarts", () => {
    const step = fc.oneof(
      fc.record({
        step: fc.constant("add" as const),
        to: fc.constantFrom("bob", "carol"),
        count: fc.integer({ min: 1, max: 5 }),
      }),
      fc.record({
        step: fc.constant("try" as const),
        works: fc.boolean(),
        count: fc.integer({ min: 1, max: 4 }),
      }),
      fc.constant({ step: "restart" as const }),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, random) => {
          const kv = new MapStore();
          let [outbox, now] = [new Outbox(kv, () => random), start];
          const added: Record<string, string[]> = { bob: [], carol: [] };
          const delivered: Record<string, string[]> = { bob: [], carol: [] };
          const deliver = (recipient: string, count: number) => {
            const messages = outbox.first(recipient, count);
            delivered[recipient]?.push(...messages.map(({ id }) => id));
            outbox.done(recipient, messages.length);
          };
          for (const one of steps) {
            if (one.step === "restart") outbox = new Outbox(kv, () => random);
            if (one.step === "add") {
              const messages = Array.from({ length: one.count }, () => message(now));
              outbox.add(one.to, messages, now);
              added[one.to]?.push(...messages.map(({ id }) => id));
            }
            if (one.step === "try") {
              now = Math.max(now, outbox.next ?? now);
              for (const recipient of outbox.due(now)) {
                if (one.works) deliver(recipient, one.count);
                else outbox.failed(recipient, now);
              }
              if (outbox.next !== null && !one.works) expect(outbox.next).toBeGreaterThan(now - 1);
            }
          }
          for (const recipient of ["bob", "carol"]) while (outbox.has(recipient)) deliver(recipient, 3);
          expect(delivered).toEqual(added);
          expect(outbox.next).toBeNull();
          expect(kv.size).toBe(0);
        },
      ),
    );
  });
});

describe("notes", () => {
  const delivered = (id: string) => ({ note: "delivered" as const, id, by: "bob", time: start });

  it("are stored only where nobody hears them, until somebody has", () => {
    const kv = new MapStore();
    const notes = new Notes(kv);
    notes.add([delivered("a")], start, false);
    expect(kv.written).toBe(0);
    const [b] = notes.add([delivered("b")], start, true);
    const later = new Notes(kv);
    expect(later.after(0, "phone")).toEqual([b]);
    later.acknowledge(b?.seq ?? 0);
    expect(kv.size).toBe(0);
    // Another device that comes back now may still need it.
    expect(later.after(0, "phone")).toEqual([b]);
  });

  it("grow in number, also when memory was lost and the clock stands still", () => {
    const kv = new MapStore();
    const first = new Notes(kv).add([delivered("a"), delivered("b")], start, true);
    const second = new Notes(kv).add([delivered("c")], start, false);
    const seqs = [...first, ...second].map(({ seq }) => seq);
    expect(seqs).toEqual([start, start + 1, start + 2]);
  });

  it("do not tell an instance what it said itself", () => {
    const notes = new Notes(new MapStore());
    const [own] = notes.add([delivered("a")], start, false, "phone");
    expect(notes.after(0, "phone")).toEqual([]);
    expect(notes.after(0, "laptop")).toEqual([own]);
  });

  it("are 500 at most", () => {
    const kv = new MapStore();
    const notes = new Notes(kv);
    for (let at = 0; at < 600; at += 1) notes.add([delivered(String(at))], start, true);
    expect(new Notes(kv).after(0, "phone")).toHaveLength(500);
  });
});
