import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Message, serverLimits } from "../../protocol";
import { MapStore } from "../testing/map-store";
import { Mailbox, type Reader } from "./mailbox";

const hour = 3_600_000;
const day = 24 * hour;
const everything = { count: 1_000_000, size: Number.POSITIVE_INFINITY };
const start = Date.UTC(2026, 10, 21);

let made = 0;

/** A UUIDv7 of this time. */
function idAt(time: number): string {
  made += 1;
  const hex = time.toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-${made.toString(16).padStart(12, "0")}`;
}

function message(time: number, more: Partial<Message> = {}): Message {
  return { id: idAt(time), from: "alice", to: ["bob"], text: "hello", headers: {}, time, ...more };
}

function open(readers: Reader[] = [{ instanceId: "phone", start: 0 }], kv = new MapStore()) {
  return { kv, box: new Mailbox(kv, () => readers) };
}

/** D1 takes all that it has not. */
function archive(box: Mailbox, now: number): void {
  for (let work = box.archiveWork(now); work; work = box.archiveWork(now)) box.archivedTo(work.done);
}

/** By default as many messages as wait at most, some at a time. */
function fill(box: Mailbox, count: number = serverLimits.mailboxMessages) {
  const messages = Array.from({ length: count }, () => message(start));
  const batches = Array.from({ length: Math.ceil(count / 50) }, (_, at) =>
    messages.slice(at * 50, at * 50 + 50),
  );
  return batches.flatMap((batch) => box.take(batch, start));
}

describe("a mailbox", () => {
  it("numbers messages and gives them back in order, in portions", () => {
    const { box } = open();
    const messages = Array.from({ length: 300 }, (_, at) => message(start, { text: String(at) }));
    expect(box.take(messages, start).every(({ ok }) => ok)).toBe(true);
    let [after, texts]: [number, string[]] = [0, []];
    for (;;) {
      const { letters, upTo } = box.read(after, { count: 7, size: 1_000_000 }, start);
      if (letters.length === 0) break;
      texts = [...texts, ...letters.map(({ text }) => text)];
      after = upTo;
    }
    expect(texts).toEqual(messages.map(({ text }) => text));
  });

  it("takes a repetition for what it is, however it was stored and wherever it lies", () => {
    const { box, kv } = open();
    const messages = Array.from({ length: 200 }, (_, at) => message(start + at));
    for (const [at, one] of messages.entries()) box.take([one], start + at);
    const later = new Mailbox(kv, () => []);
    for (const at of [0, 63, 64, 65, 130, 199]) {
      const [again] = later.take([{ ...(messages[at] as Message), time: start + day }], start + hour);
      expect(again).toEqual({ ok: true, value: { time: start + at, repeated: true } });
    }
    const [other] = later.take([{ ...(messages[5] as Message), text: "other" }], start + hour);
    expect(other).toMatchObject({ ok: false, error: { name: "conflict" } });
    expect(later.last).toBe(200);
  });

  it("knows a repetition within one batch", () => {
    const { box } = open();
    const one = message(start);
    expect(box.take([one, one, { ...one, text: "x" }], start).map(({ ok }) => ok)).toEqual([
      true,
      true,
      false,
    ]);
    expect(box.last).toBe(1);
  });

  it("costs a row for a message, and none to clear away what is done", () => {
    const { box, kv } = open();
    for (let at = 0; at < 640; at += 1) {
      const now = start + at * hour;
      box.take([message(now)], now);
      box.acknowledge("phone", box.last, now);
      archive(box, now);
    }
    expect(kv.written / 640).toBeLessThan(1.05);
    expect(kv.size).toBe(1);
  });

  it("writes one row for a batch that fits together", () => {
    const { box, kv } = open();
    box.take(
      Array.from({ length: 30 }, () => message(start)),
      start,
    );
    expect(kv.written).toBe(1);
  });

  it("costs as good as nothing but the messages' rows where it is tidied all the time", () => {
    const { box, kv } = open();
    let now = start;
    const minute = () => {
      now += 60_000;
      box.take([message(now)], now);
      box.acknowledge("phone", box.last, now);
      archive(box, now);
    };
    // From then on every minute something is old enough to go.
    for (let at = 0; at < 15 * 60; at += 1) minute();
    const before = kv.written;
    for (let at = 0; at < 60; at += 1) {
      minute();
      box.tidy(now);
    }
    expect((kv.written - before) / 60).toBeLessThan(1.3);
  });

  it("knows a repetition also when so much came since that it made room", () => {
    const { box, kv } = open();
    const once = message(start);
    box.take([once], start);
    let now = start;
    while (box.last < serverLimits.mailboxMessages + 100) {
      now += 1_000;
      box.take(
        Array.from({ length: 50 }, () => message(now)),
        now,
      );
      box.acknowledge("phone", box.last, now);
      archive(box, now);
    }
    expect(box.read(0, { count: 1, size: 1 }, now).letters[0]?.id).not.toBe(once.id);
    const before = box.last;
    for (const one of [box, new Mailbox(kv, () => [])]) {
      const [again] = one.take([{ ...once, time: now }], now);
      expect(again).toEqual({ ok: true, value: { time: start, repeated: true } });
    }
    expect(box.last).toBe(before);
  });

  it("is full above its limit while no device has taken anything, and makes room when one has", () => {
    const { box } = open();
    expect(fill(box).every(({ ok }) => ok)).toBe(true);
    expect(box.take([message(start)], start)[0]).toMatchObject({ ok: false, error: { name: "mailboxFull" } });
    expect(box.waiting).toBe(serverLimits.mailboxMessages);
    box.acknowledge("phone", 100, start);
    expect(box.waiting).toBe(serverLimits.mailboxMessages - 100);
    expect(box.take([message(start)], start)[0]?.ok).toBe(true);
    expect(box.read(0, { count: 1, size: 0 }, start).letters[0]?.seq).toBe(1);
    // What D1 has, too, makes room for others.
    archive(box, start);
    expect(box.take([message(start)], start)[0]?.ok).toBe(true);
    expect(box.read(0, { count: 1, size: 0 }, start).letters[0]?.seq).toBeGreaterThan(1);
  });

  it("asks for another try when every device has everything and D1 has nothing for long", () => {
    const { box } = open();
    const delivered = () => {
      const taken = fill(box, serverLimits.mailboxMessages - 1);
      box.acknowledge("phone", box.last, start);
      return taken;
    };
    expect(delivered().every(({ ok }) => ok)).toBe(true);
    expect(delivered().every(({ ok }) => ok)).toBe(true);
    expect(delivered().at(-1)).toMatchObject({ error: { name: "unavailable", retryAfter: 5 } });
  });

  it("that is full reads little to refuse what comes", () => {
    const { box, kv } = open();
    fill(box);
    const before = kv.read;
    const taken = box.take(
      Array.from({ length: 64 }, () => message(start)),
      start,
    );
    expect(taken.every((one) => !one.ok && one.error.name === "mailboxFull")).toBe(true);
    expect(kv.read - before).toBeLessThan(200);
  });

  it("that is full reads little to make room, while one device is far behind", () => {
    const { box, kv } = open([
      { instanceId: "phone", start: 0 },
      { instanceId: "laptop", start: 0 },
    ]);
    fill(box);
    box.acknowledge("phone", box.last, start);
    archive(box, start);
    const before = kv.read;
    const taken = box.take(
      Array.from({ length: 64 }, () => message(start)),
      start,
    );
    expect(taken.every(({ ok }) => ok)).toBe(true);
    expect(kv.read - before).toBeLessThan(200);
  });

  it.each([
    ["in one chunk", ""],
    ["in many", "x".repeat(5_000)],
  ])("lets nothing be seen after 30 days, and keeps no body a day longer: %s", (_, padding) => {
    const { box, kv } = open();
    for (let at = 0; at < 40; at += 1)
      box.take([message(start + at * day, { text: `body ${at};${padding}` })], start + at * day);
    const now = start + 40 * day;
    const { letters } = box.read(0, everything, now);
    const young = Array.from({ length: 29 }, (_, at) => `body ${at + 11};${padding}`);
    expect(letters.map(({ text }) => text)).toEqual(young);
    box.tidy(now);
    expect(box.read(0, everything, now).letters.map(({ text }) => text)).toEqual(young);
    expect(JSON.stringify([...kv.list({ prefix: "" })])).not.toContain("body 10;");
    expect(JSON.stringify([...kv.list({ prefix: "" })])).toContain("body 11;");
    expect(box.tidyAt).toBe(start + 41 * day);
  });

  it("has not taken what could not be stored", () => {
    const { box, kv } = open();
    box.take([message(start)], start);
    const [lost, big] = [message(start), message(start, { text: "x".repeat(40_000) })];
    kv.failing = true;
    expect(() => box.take([big, lost], start)).toThrow("disk full");
    expect(() => box.take([lost], start)).toThrow("disk full");
    kv.failing = false;
    expect(box.last).toBe(1);
    expect(box.take([lost], start)).toEqual([{ ok: true, value: { time: start } }]);
    expect(box.read(0, everything, start).letters.map(({ id }) => id)).toHaveLength(2);
  });

  it("keeps what D1 has not, also when every device has it", () => {
    const { box, kv } = open();
    box.take([message(start)], start);
    box.acknowledge("phone", 1, start);
    box.tidy(start + day);
    const later = new Mailbox(kv, () => []);
    expect(later.archiveWork(start + day)?.letters).toHaveLength(1);
  });

  it("tells D1 first of what it has not, and then only of what was delivered", () => {
    const { box } = open();
    box.take([message(start), message(start), message(start)], start);
    const work = box.archiveWork(start + 1);
    expect(work?.letters.map(({ delivered }) => delivered)).toEqual([undefined, undefined, undefined]);
    if (work) box.archivedTo(work.done);
    expect(box.unarchived).toBe(false);
    box.acknowledge("phone", 2, start + 5);
    expect(box.unarchived).toBe(true);
    const states = box.archiveWork(start + 9);
    expect(states?.letters.map(({ letter, delivered }) => [letter.seq, delivered])).toEqual([
      [1, start + 5],
      [2, start + 5],
    ]);
    if (states) box.archivedTo(states.done);
    expect(box.archiveWork(start + 9)).toBeNull();
  });
});

// ---- against a simple model ---------------------------------------------------------------------

type Step =
  | { step: "take"; count: number; size: number; again: boolean }
  | { step: "read"; device: number; count: number; ack: boolean }
  | { step: "all" }
  | { step: "archive" }
  | { step: "later"; hours: number }
  | { step: "tidy" }
  | { step: "sleep" }
  | { step: "crash" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("take" as const),
      count: fc.integer({ min: 1, max: 90 }),
      size: fc.constantFrom(1, 300, 9_000),
      again: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("read" as const),
      device: fc.nat(2),
      count: fc.integer({ min: 1, max: 120 }),
      ack: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ step: "all" as const }) },
  { weight: 2, arbitrary: fc.constant({ step: "archive" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant("later" as const),
      hours: fc.constantFrom(1, 10, 15, 200, 400),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ step: "tidy" as const }) },
  { weight: 1, arbitrary: fc.constant({ step: "sleep" as const }) },
  { weight: 1, arbitrary: fc.constant({ step: "crash" as const }) },
);

/** A device: what it has, and how far it is. It survives everything that happens to the mailbox. */
interface Device extends Reader {
  got: string[];
  position: number;
}

it("each device has each message once, in order, if it comes within 30 days, whatever happens meanwhile", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let now = start;
      const kv = new MapStore();
      const devices: Device[] = ["phone", "laptop", "tablet"].map((instanceId) => ({
        instanceId,
        start: 0,
        got: [],
        position: 0,
      }));
      let box = new Mailbox(kv, () => devices);
      const sent: { id: string; time: number; seq: number }[] = [];
      const archive = new Map<string, number | undefined>();
      let lastTaken: Message[] = [];

      for (const one of steps) {
        switch (one.step) {
          case "take": {
            const fresh = Array.from({ length: one.count }, () =>
              message(now, { text: "x".repeat(one.size) }),
            );
            const before = box.last;
            const batch = one.again
              ? [...lastTaken.filter(({ time }) => time > now - 13 * hour), ...fresh]
              : fresh;
            const taken = box.take(batch, now);
            fresh.forEach(({ id, time }, at) => {
              expect(taken[batch.length - fresh.length + at]?.ok).toBe(true);
              sent.push({ id, time, seq: before + at + 1 });
            });
            expect(box.last).toBe(before + fresh.length);
            lastTaken = fresh;
            break;
          }
          case "read": {
            const device = devices[one.device] as Device;
            const { letters } = box.read(device.position, { count: one.count, size: 100_000 }, now);
            for (const letter of letters) {
              expect(letter.seq).toBeGreaterThan(device.position);
              device.got.push(letter.id);
              device.position = letter.seq;
            }
            if (one.ack) box.acknowledge(device.instanceId, device.position, now);
            break;
          }
          case "all":
            for (const device of devices) {
              const { letters } = box.read(device.position, everything, now);
              device.got.push(...letters.map(({ id }) => id));
              device.position = letters.at(-1)?.seq ?? device.position;
              box.acknowledge(device.instanceId, device.position, now);
            }
            break;
          case "archive":
            for (let work = box.archiveWork(now); work; work = box.archiveWork(now)) {
              for (const { letter, delivered } of work.letters) {
                archive.set(letter.id, archive.get(letter.id) ?? delivered);
              }
              box.archivedTo(work.done);
            }
            expect(box.unarchived).toBe(false);
            break;
          case "later":
            now += one.hours * hour;
            break;
          case "tidy":
            box.tidy(now);
            break;
          case "sleep":
            // The last device has gone.
            box.store();
            box = new Mailbox(kv, () => devices);
            break;
          case "crash":
            box = new Mailbox(kv, () => devices);
        }
      }

      for (const device of devices) {
        // In order, and nothing twice.
        const seqs = device.got.map((id) => sent.findIndex((other) => other.id === id));
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        // Everything that is left for it comes.
        const { letters } = box.read(device.position, everything, now);
        const rest = letters.map(({ id }) => id);
        const expected = sent
          .filter(({ seq, time }) => seq > device.position && time > now - 30 * day)
          .map(({ id }) => id);
        expect(rest).toEqual(expected);
      }
      // D1 ends up with all that is young enough.
      for (let work = box.archiveWork(now); work; work = box.archiveWork(now)) {
        for (const { letter, delivered } of work.letters)
          archive.set(letter.id, archive.get(letter.id) ?? delivered);
        box.archivedTo(work.done);
      }
      for (const { id, time } of sent) if (time > now - 30 * day) expect(archive.has(id)).toBe(true);
    }),
    { numRuns: 300 },
  );
});
