import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CallEvent, type CallOperation, type EndCause, serverLimits } from "../../protocol";
import type { CallData, LogEntry, Side } from "./call-data";
import { unseen } from "./call-log";
import type { CallEffect, CallInput } from "./inputs";
import { newCall, nextDeadline, step } from "./machine";

const application = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const alice = { applicationKey: application, userId: "alice" };
const bob = { applicationKey: application, userId: "bob" };
const T0 = 1_000_000;
const second = 1_000;

const offer = { type: "offer", sdp: "v=0 offer" } as const;
const description = { type: "answer", sdp: "v=0 answer" } as const;

function started(options: { ringSeconds?: number } = {}) {
  const start = { op: "start", to: "bob", video: false, headers: { a: "b" }, offer, ...options } as const;
  return newCall(
    {
      callId: "c",
      applicationKey: application,
      reference: "r",
      caller: { ...alice, connection: "A" },
      callee: bob,
      start,
    },
    T0,
  ).call;
}

/** A call under test: applies inputs, remembers effects, counts operations per connection. */
class Driven {
  effects: CallEffect[] = [];
  now = T0;
  #n: Record<string, number> = { A: 1 };
  constructor(public call: CallData) {}

  input(input: CallInput) {
    const { call, effects, result } = step(this.call, input, this.now);
    this.call = call;
    this.effects.push(...effects);
    return result;
  }
  rung(devices = 1) {
    return this.input({ type: "rung", devices, pushed: 0, known: true, blocked: false });
  }
  op(connection: string, op: CallOperation, n?: number) {
    const next = n ?? (this.#n[connection] ?? 0) + 1;
    const result = this.input({
      type: "operation",
      from: connection === "A" ? alice : bob,
      connection,
      n: next,
      ack: 0,
      op,
    });
    if (result.ok && n === undefined) this.#n[connection] = next;
    return result;
  }
  at(time: number) {
    this.now = time;
    return this.input({ type: "time" });
  }
  heard(side: Side, connection: string): CallEvent[] {
    return unseen(this.call.logs[side], connection, 0).map((entry) => entry.event as CallEvent);
  }
  get ending() {
    const { state, cause, error } = this.call;
    return { state, cause, error: error?.name };
  }
}

const ringing: CallOperation = { op: "ringing" };
const answer: CallOperation = { op: "answer", description, candidates: [] };
const flowing: CallOperation = { op: "flowing", flowing: true };
const hangup: CallOperation = { op: "hangup" };

function established() {
  const call = new Driven(started());
  call.rung();
  call.op("B1", ringing);
  call.op("B1", answer);
  call.op("A", flowing);
  call.op("B1", flowing);
  return call;
}

describe("the life of a call", () => {
  it("goes through all states, each told to the caller with its time", () => {
    const call = established();
    expect(call.heard("caller", "A").map(({ event }) => event)).toEqual([
      "progressing",
      "ringing",
      "answered",
      "established",
    ]);
    expect(call.heard("callee", "B1").map(({ event }) => event)).toEqual(["incoming", "established"]);
    call.now += 60 * second;
    call.op("B1", hangup);
    expect(call.call.times).toEqual({
      started: T0,
      progressing: T0,
      ringing: T0,
      answered: T0,
      established: T0,
      ended: T0 + 60 * second,
    });
    expect(call.ending).toEqual({ state: "ended", cause: "hungUp" });
    expect(call.effects.filter(({ type }) => type === "record")).toHaveLength(1);
  });

  it.each<[string, (call: Driven) => void, EndCause, string | undefined]>([
    ["the caller hangs up before the answer", (call) => call.op("A", hangup), "canceled", undefined],
    ["a device declines", (call) => call.op("B1", hangup), "denied", undefined],
    ["nobody heard it", (call) => call.at(T0 + 45 * second), "timeout", undefined],
    [
      "a device rang and nobody answered",
      (call) => {
        call.op("B1", ringing);
        call.at(T0 + 45 * second);
      },
      "noAnswer",
      undefined,
    ],
    [
      "answered, and no media for 20 s",
      (call) => {
        call.op("B1", answer);
        call.at(T0 + 20 * second);
      },
      "failure",
      "mediaFailed",
    ],
    [
      "the caller is away for 30 s while it rings",
      (call) => {
        call.input({ type: "away", from: alice, connection: "A" });
        call.at(T0 + 30 * second);
        call.input({ type: "absent", side: "caller" });
      },
      "inactive",
      undefined,
    ],
    [
      "the caller's microphone is refused",
      (call) => call.op("A", { op: "hangup", error: { name: "permissionDenied" } as never }),
      "failure",
      "permissionDenied",
    ],
    [
      "the caller's tab is gone",
      (call) => call.input({ type: "gone", from: alice, connection: "A" }),
      "canceled",
      undefined,
    ],
  ])("ends when %s", (_name, happen, cause, error) => {
    const call = new Driven(started());
    call.rung();
    happen(call);
    expect(call.ending).toEqual({ state: "ended", cause, error });
    expect(call.heard("caller", "A").at(-1)?.event).toBe("ended");
    expect(call.heard("callee", "B1").at(-1)?.event).toBe("ended");
  });

  it.each([
    [{ devices: 0, pushed: 0, known: true, blocked: false }, "userOffline"],
    [{ devices: 0, pushed: 0, known: false, blocked: false }, "userUnknown"],
    [{ devices: 0, pushed: 0, known: true, blocked: true }, "userBlocked"],
  ])("ends at once when nobody is there: %o", (found, error) => {
    const call = new Driven(started());
    call.input({ type: "rung", ...found });
    expect(call.ending).toEqual({ state: "ended", cause: "failure", error });
  });

  describe("of a callee who sleeps", () => {
    const woken = { type: "rung", devices: 0, pushed: 1, known: true, blocked: false } as const;
    const pairs = [{ payload: "p", data: "d", to: "bob" }];

    it("waits for the device that is being woken", () => {
      const call = new Driven(started());
      call.input(woken);
      expect(call.call.state).toBe("progressing");
      expect(call.heard("caller", "A")).toMatchObject([{ event: "progressing", devices: 1 }]);
      call.at(T0 + serverLimits.ringSeconds * second);
      expect(call.ending.cause).toBe("timeout");
    });

    it("tells the caller's app which pushes are its own to send, and that headers had to go", () => {
      const call = new Driven(started());
      call.input({ ...woken, pushed: 0, pushPairs: pairs, headersOmitted: true });
      expect(call.heard("caller", "A")).toMatchObject([
        { event: "progressing", devices: 1, pushPairs: pairs, headersOmitted: true },
      ]);
    });

    it("is over when no push has reached a device", () => {
      const call = new Driven(started());
      call.input(woken);
      call.input({ type: "unreachable" });
      expect(call.ending).toMatchObject({ cause: "failure", error: "userOffline" });
    });

    it("goes on when a device has come meanwhile", () => {
      const call = new Driven(started());
      call.input(woken);
      call.input({ type: "offered" });
      call.input({ type: "unreachable" });
      expect(call.call.state).toBe("progressing");
    });

    it("tells the other devices who answered, also when one alone is connected", () => {
      const call = new Driven(started());
      call.input({ ...woken, devices: 1 });
      call.op("B", answer);
      expect(call.heard("callee", "C")).toContainEqual(
        expect.objectContaining({ event: "ended", cause: "otherDeviceAnswered" }),
      );
    });

    it("can be declined by a device that is not connected, as long as nobody has answered", () => {
      const call = new Driven(started());
      call.input(woken);
      expect(call.input({ type: "declined", from: alice })).toMatchObject({ error: { name: "notFound" } });
      expect(call.input({ type: "declined", from: bob }).ok).toBe(true);
      expect(call.ending.cause).toBe("denied");
      expect(call.input({ type: "declined", from: bob })).toMatchObject({ error: { name: "conflict" } });
    });
  });

  it("takes the ring time from the caller", () => {
    const call = new Driven(started({ ringSeconds: 5 }));
    call.rung();
    call.at(T0 + 5 * second - 1);
    expect(call.call.state).toBe("progressing");
    call.at(T0 + 5 * second);
    expect(call.ending.cause).toBe("timeout");
  });

  it("ends after 4 hours", () => {
    const call = established();
    call.at(T0 + serverLimits.callSecondsMax * second);
    expect(call.ending.cause).toBe("timeout");
  });
});

describe("many devices", () => {
  it("gives the call to the first answer and ends it elsewhere with otherDeviceAnswered", () => {
    const call = new Driven(started());
    call.rung(3);
    for (const device of ["B1", "B2", "B3"]) call.op(device, ringing);
    expect(call.op("B2", answer).ok).toBe(true);
    expect(call.op("B1", answer)).toMatchObject({ ok: false, error: { name: "conflict" } });
    for (const device of ["B1", "B3"]) {
      expect(call.heard("callee", device).at(-1)).toMatchObject({
        event: "ended",
        cause: "otherDeviceAnswered",
      });
    }
    expect(call.heard("callee", "B2").map(({ event }) => event)).toEqual(["incoming"]);
    call.op("A", hangup);
    expect(call.heard("callee", "B2").at(-1)).toMatchObject({ event: "ended", cause: "hungUp" });
    expect(call.heard("callee", "B1").filter(({ event }) => event === "ended")).toHaveLength(1);
  });

  it("does not let a device that lost hang up for the one that answered, nor one that closes", () => {
    const call = new Driven(started());
    call.rung(2);
    call.input({ type: "gone", from: bob, connection: "B1" });
    expect(call.call.state).toBe("progressing");
    call.op("B2", answer);
    expect(call.op("B1", hangup).ok).toBe(true);
    expect(call.call.state).toBe("answered");
  });

  it("lets a device that has no microphone drop out alone", () => {
    const call = new Driven(started());
    call.rung(2);
    call.op("B1", { op: "hangup", error: { name: "deviceMissing" } as never });
    expect(call.call.state).toBe("progressing");
  });
});

describe("what the callee withholds", () => {
  it("refuses candidates, state and descriptions of the callee before the answer", () => {
    const call = new Driven(started());
    call.rung();
    call.op("B1", ringing);
    const early: CallOperation[] = [
      { op: "candidates", candidates: [{ candidate: "candidate:1 192.0.2.7" }] },
      { op: "media", media: { muted: true, held: false, video: "off" } },
      { op: "description", description, candidates: [] },
      flowing,
    ];
    for (const op of early)
      expect(call.op("B1", op)).toMatchObject({ ok: false, error: { name: "conflict" } });
    expect(call.heard("caller", "A").map(({ event }) => event)).toEqual(["progressing", "ringing"]);
  });
});

describe("blind transfer", () => {
  it("tells the other side whom to call, and ends", () => {
    const call = established();
    expect(call.op("B1", { op: "transfer", to: "carol" }).ok).toBe(true);
    expect(call.heard("caller", "A").slice(-2)).toMatchObject([
      { event: "transferred", to: "carol" },
      { event: "ended", cause: "hungUp" },
    ]);
    expect(call.heard("callee", "B1").at(-1)).toMatchObject({ event: "ended", cause: "hungUp" });
  });

  it("needs an answered call", () => {
    const call = new Driven(started());
    call.rung();
    for (const who of ["A", "B1"]) {
      expect(call.op(who, { op: "transfer", to: "carol" })).toMatchObject({ error: { name: "conflict" } });
    }
  });
});

describe("losses", () => {
  it("outlives an absence of less than 30 s, and media that comes back", () => {
    const call = established();
    call.input({ type: "away", from: bob, connection: "B1" });
    call.at(T0 + 29 * second);
    call.input({ type: "present", from: bob, connection: "B1", ack: 2 });
    call.op("A", { op: "flowing", flowing: false });
    call.at(T0 + 48 * second);
    call.op("A", flowing);
    call.at(T0 + 50 * second);
    expect(call.call.state).toBe("established");
  });

  it("asks whether a side is really gone before it ends over it, and again when nobody knows", () => {
    const call = established();
    call.input({ type: "away", from: bob, connection: "B1" });
    for (const time of [30, 35, 40]) {
      call.effects = [];
      call.at(T0 + time * second);
      expect(call.effects).toEqual([{ type: "confirmAway", side: "callee" }]);
    }
    call.input({ type: "present", from: bob, connection: "B1", ack: 0 });
    expect(call.input({ type: "absent", side: "callee" }).ok).toBe(true);
    expect(call.call.state).toBe("established");
  });

  it("ends after 20 s without media", () => {
    const call = established();
    call.op("A", { op: "flowing", flowing: false });
    call.at(T0 + 20 * second);
    expect(call.ending).toMatchObject({ cause: "failure", error: "mediaFailed" });
  });

  it("looks ever more rarely whether both are still there", () => {
    const call = established();
    const gaps: number[] = [];
    for (let i = 0; i < 6; i++) {
      const due = call.call.deadlines.probe ?? 0;
      gaps.push(due - call.now);
      call.effects = [];
      call.at(due);
      expect(call.effects.map(({ type }) => type)).toEqual(["probe", "probe"]);
    }
    expect(gaps).toEqual([60, 120, 240, 480, 900, 900].map((seconds) => seconds * second));
  });

  it("applies an operation once however often it is sent", () => {
    const call = new Driven(started());
    call.rung();
    const candidates: CallOperation = { op: "candidates", candidates: [{ candidate: "x" }] };
    for (let i = 0; i < 3; i++) expect(call.op("A", candidates, 2).ok).toBe(true);
    expect(call.heard("callee", "B1").filter(({ event }) => event === "candidates")).toHaveLength(1);
  });

  it("ends a call whose other side never acknowledges, instead of growing", () => {
    const call = established();
    const media: CallOperation = { op: "media", media: { muted: true, held: false, video: "off" } };
    let n = 10;
    while (call.call.state !== "ended" && n < 5_000) call.op("A", media, n++);
    expect(call.ending).toMatchObject({ cause: "failure", error: "tooLarge" });
    expect(call.call.logs.callee.entries.length).toBeLessThanOrEqual(serverLimits.callLogEvents + 2);
  });
});

// ---- properties -------------------------------------------------------------------------------

const connections = ["A", "B1", "B2", "stranger"] as const;
const userOf = { A: alice, B1: bob, B2: bob, stranger: { applicationKey: application, userId: "eve" } };
const operations = fc.oneof(
  fc.constantFrom<CallOperation>(
    ringing,
    answer,
    hangup,
    flowing,
    { op: "flowing", flowing: false },
    { op: "candidates", candidates: [{ candidate: "c" }] },
    { op: "description", description, candidates: [] },
    { op: "transfer", to: "carol" },
    { op: "media", media: { muted: false, held: true, video: "on" } },
    { op: "hangup", error: { name: "permissionDenied" } as never },
  ),
);
const inputs = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("op" as const),
      who: fc.constantFrom(...connections),
      op: operations,
      late: fc.nat(3),
      ack: fc.nat(8),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("away" as const, "present" as const, "gone" as const),
      who: fc.constantFrom(...connections),
      ack: fc.nat(8),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("rung" as const),
      devices: fc.nat(2),
      known: fc.boolean(),
      blocked: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("time" as const), pass: fc.integer({ min: 0, max: 70_000 }) }),
  },
);

const order = ["initiating", "progressing", "ringing", "answered", "established", "ended"];

describe("any order of events", () => {
  it("gives one end with one cause, leaves no timer and forgets no leg", () => {
    fc.assert(
      fc.property(fc.array(inputs, { maxLength: 40 }), (script) => {
        let call = started();
        let now = T0;
        const records: CallEffect[] = [];
        const told = { caller: new Map<number, LogEntry>(), callee: new Map<number, LogEntry>() };
        let last = { caller: 0, callee: 0 };
        /** The device that answered was the only one that was offered the call. */
        let alone = false;
        const n: Record<string, number> = { A: 1 };
        const feed = (input: CallInput) => {
          const before = structuredClone(call);
          const next = step(call, input, now);
          expect(call).toEqual(before);
          if (!next.result.ok) expect(next.call).toBe(call);
          expect(order.indexOf(next.call.state)).toBeGreaterThanOrEqual(order.indexOf(call.state));
          if (call.state === "ended") {
            expect(next.call.cause).toBe(call.cause);
            expect(next.call.times).toEqual(call.times);
          }
          records.push(...next.effects.filter(({ type }) => type === "record"));
          if (next.call.callee.connection && !call.callee.connection) alone = next.call.offered === 1;
          call = next.call;
          const deadline = nextDeadline(call);
          expect(deadline).not.toBeNull();
          for (const side of ["caller", "callee"] as const) {
            const log = call.logs[side];
            log.entries.forEach((entry, at) => {
              expect(entry.seq).toBeGreaterThan(log.entries[at - 1]?.seq ?? 0);
              expect(entry.seq).toBeLessThanOrEqual(log.last);
              told[side].set(entry.seq, entry);
            });
            expect(log.last).toBeGreaterThanOrEqual(last[side]);
          }
          last = { caller: call.logs.caller.last, callee: call.logs.callee.last };
        };
        for (const one of script) {
          if (one.kind === "time") {
            now += one.pass;
            feed({ type: "time" });
          } else if (one.kind === "rung") feed({ type: "rung", pushed: 0, ...one });
          else if (one.kind === "op") {
            const next = Math.max(1, (n[one.who] ?? 0) + 1 - one.late);
            n[one.who] = Math.max(n[one.who] ?? 0, next);
            feed({
              type: "operation",
              from: userOf[one.who],
              connection: one.who,
              n: next,
              ack: one.ack,
              op: one.op,
            });
          } else feed({ type: one.kind, from: userOf[one.who], connection: one.who, ack: one.ack });
        }
        // Left alone, it ends by itself: following the deadlines leads to the end and then to nothing.
        let forgotten = false;
        for (let i = 0; i < 200 && !forgotten; i++) {
          const deadline = nextDeadline(call);
          now = Math.max(now, deadline ?? now);
          const { effects } = step(call, { type: "time" }, now);
          forgotten = effects.some(({ type }) => type === "forget");
          feed({ type: "time" });
          for (const one of effects) if (one.type === "confirmAway") feed({ type: "absent", side: one.side });
        }
        expect(forgotten).toBe(true);
        expect(call.state).toBe("ended");
        expect(call.cause).not.toBe("none");
        expect(Object.keys(call.deadlines)).toEqual(["linger"]);
        expect(records).toHaveLength(1);
        // Every leg is told once how it ended.
        for (const [side, who] of [
          ["caller", "A"],
          ["callee", "B1"],
          ["callee", "B2"],
        ] as const) {
          const ends = [...told[side].values()].filter(
            ({ event, to, except }) => event.event === "ended" && (!to || to === who) && except !== who,
          );
          const other = who !== call.callee.connection;
          expect(ends).toHaveLength(side === "callee" && alone && other ? 0 : 1);
        }
      }),
      { numRuns: 10_000 },
    );
  }, 120_000);

  it("tells a party everything once and in order, whatever is repeated, lost or late on the way", () => {
    const media = (muted: boolean): CallOperation => ({
      op: "media",
      media: { muted, held: false, video: "off" },
    });
    const trouble = fc.record({ drop: fc.boolean(), repeat: fc.nat(2), resume: fc.boolean() });
    fc.assert(
      fc.property(fc.array(trouble, { minLength: 1, maxLength: 30 }), (script) => {
        const driven = established();
        const sent: boolean[] = [];
        const heard: boolean[] = [];
        let ack = 2;
        const receive = () => {
          for (const { seq, event } of unseen(driven.call.logs.callee, "B1", ack)) {
            if (seq <= ack) continue;
            ack = seq;
            if (event.event === "media") heard.push(event.media.muted);
          }
        };
        script.forEach(({ drop, repeat, resume }, at) => {
          const muted = at % 3 === 0;
          sent.push(muted);
          for (let i = 0; i <= repeat; i++) driven.op("A", media(muted), at + 10);
          if (!drop) receive();
          if (resume) driven.input({ type: "present", from: bob, connection: "B1", ack });
        });
        receive();
        expect(heard).toEqual(sent);
      }),
      { numRuns: 2_000 },
    );
  }, 60_000);
});
