import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CallEvent, CallOperation } from "../../protocol";
import { costOf, incrementPrice, priceOf, type Rate } from "../credits/rate";
import { costOfCall, sliceWanted } from "./billing";
import type { CallData } from "./call-data";
import type { CallEffect, CallInput } from "./inputs";
import type { LineNews } from "./line";
import { newCall, nextDeadline, step } from "./machine";

const application = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const alice = { applicationKey: application, userId: "alice" };
const phone = { applicationKey: application, userId: "+46701740605", line: "phone" } as const;
const T0 = 1_000_000;

/** What an account has, and what a call holds of it: as the ledger does it. */
class Purse {
  held = 0;
  constructor(
    public balance: number,
    readonly rate: Rate,
  ) {}

  /** Whole increments up to what is wanted; false for none. */
  hold(wanted: number, fee: number): boolean {
    const price = incrementPrice(this.rate);
    const most = price === 0 ? fee : fee + Math.floor((this.balance - fee) / price) * price;
    const granted = Math.min(wanted, most);
    if (this.balance < fee + price || granted <= 0) return fee + price === 0;
    this.balance -= granted;
    this.held += granted;
    return true;
  }
}

class PhoneCall {
  call: CallData;
  now = T0;
  effects: CallEffect[] = [];
  #n = 1;
  slice = 1;
  /** D1 is away. */
  deaf = false;

  constructor(readonly purse: Purse) {
    const start = { op: "start", to: phone.userId, line: "phone", video: false, headers: {} } as const;
    this.call = newCall(
      {
        callId: "c",
        applicationKey: application,
        reference: "r",
        caller: { ...alice, connection: "A" },
        callee: phone,
        start: { ...start, offer: { type: "offer", sdp: "" } },
      },
      T0,
    ).call;
  }

  input(input: CallInput): void {
    const { call, effects } = step(this.call, input, this.now);
    this.call = call;
    this.effects.push(...effects);
    for (const effect of effects) if (effect.type === "fund") this.#fund();
  }

  prepare(): boolean {
    const { rate } = this.purse;
    if (!this.purse.hold(sliceWanted({ rate }, 1), rate.connectFee)) return false;
    const bill = { accountId: "a", currency: "USD", rate, held: this.purse.held, slices: 1 };
    this.input({ type: "lineReady", bill });
    return true;
  }

  #fund(): void {
    const { bill } = this.call;
    if (!bill) throw new Error("no bill");
    const wanted = Math.max(sliceWanted(bill, bill.slices + 1), incrementPrice(bill.rate));
    if (this.deaf) this.input({ type: "unfunded", failed: true });
    else if (this.purse.hold(wanted, 0)) {
      this.slice = bill.slices + 1;
      this.input({ type: "funded", held: this.purse.held, slice: this.slice });
    } else this.input({ type: "unfunded" });
  }

  tell(news: LineNews): void {
    this.input({ type: "line", from: phone, connection: "sip/c", news });
  }

  op(op: CallOperation): void {
    this.#n += 1;
    this.input({ type: "operation", from: alice, connection: "A", n: this.#n, ack: 0, op });
  }

  answer(): void {
    this.tell({ news: "answered", description: { type: "answer", sdp: "" } });
    this.op({ op: "flowing", flowing: true });
  }

  /** Time goes on, and every alarm rings when it is due, or so much late. */
  pass(ms: number, late = 0): void {
    const until = this.now + ms;
    for (let turns = 0; this.call.state !== "ended" && turns < 2_000; turns += 1) {
      const next = nextDeadline(this.call);
      if (next === null || next + late > until) break;
      this.now = Math.max(this.now, next + late);
      this.input({ type: "time" });
    }
    this.now = Math.max(this.now, until);
  }

  get ended(): Extract<CallEvent, { event: "ended" }> | undefined {
    const last = this.call.logs.caller.entries.at(-1)?.event;
    return last?.event === "ended" ? last : undefined;
  }
}

const rates: fc.Arbitrary<Rate> = fc.record({
  prefix: fc.constant("46"),
  name: fc.constant("Sweden"),
  perMinute: fc.integer({ min: 0, max: 100_000 }),
  connectFee: fc.integer({ min: 0, max: 50_000 }),
  increment: fc.constantFrom(1, 6, 30, 60, 300),
});

describe("the money of a phone call", () => {
  it("lasts as long as the account can pay, and to no more than it had", () => {
    fc.assert(
      fc.property(
        rates,
        fc.integer({ min: 0, max: 3_000_000 }),
        fc.integer({ min: 0, max: 40 * 60_000 }),
        (rate, credit, talk) => {
          const call = new PhoneCall(new Purse(credit, rate));
          const least = priceOf(rate, rate.increment);
          expect(call.prepare()).toBe(credit >= least || least === 0);
          if (!call.call.bill) return;
          call.answer();
          call.pass(talk);
          call.op({ op: "hangup" });
          const { state, cause } = call.call;
          const cost = costOfCall(call.call)?.amount ?? Number.NaN;
          expect(state).toBe("ended");
          expect(cost).toBeLessThanOrEqual(credit);
          expect(cost).toBeLessThanOrEqual(call.purse.held);
          // It went on for as long as the next increment could be paid, and ended where it could not: that is
          // also in the moment at which the last one is over, where the alarm rings before the hang-up.
          const affordable = costOf(rate, talk + 1) <= credit;
          expect(cause).toBe(affordable || incrementPrice(rate) === 0 ? "hungUp" : "insufficientFunds");
          if (cause === "hungUp") expect(cost).toBe(costOf(rate, talk));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("is counted by when it ended, however late alarms ring, and is the account's to pay up to what it has", () => {
    fc.assert(
      fc.property(
        rates,
        fc.integer({ min: 1_000, max: 120_000 }),
        fc.integer({ min: 60_000, max: 900_000 }),
        (rate, late, talk) => {
          const call = new PhoneCall(new Purse(100_000_000, rate));
          call.prepare();
          call.answer();
          call.pass(talk, late);
          expect(call.call.state, JSON.stringify(call.ended)).not.toBe("ended");
          call.op({ op: "hangup" });
          expect(call.ended?.cause).toBe("hungUp");
          expect(costOfCall(call.call)?.amount).toBe(costOf(rate, (call.call.times.ended ?? 0) - T0));
        },
      ),
    );
  });

  it("that nobody could look up is not the caller's lack of it", () => {
    const rate = { prefix: "46", name: "Sweden", perMinute: 60_000, connectFee: 0, increment: 60 };
    const call = new PhoneCall(new Purse(1_000_000, rate));
    call.prepare();
    call.answer();
    call.deaf = true;
    call.pass(59_000);
    expect(call.call.state).toBe("established");
    call.pass(7_000);
    expect(call.ended).toMatchObject({
      cause: "failure",
      error: { name: "unavailable" },
      cost: { amount: 120_000 },
    });
  });

  it("is nothing for a call that was not answered", () => {
    const rate = { prefix: "46", name: "Sweden", perMinute: 60_000, connectFee: 9_000, increment: 60 };
    const call = new PhoneCall(new Purse(1_000_000, rate));
    call.prepare();
    call.tell({ news: "ringing" });
    call.pass(60_000);
    expect(call.ended).toMatchObject({ cause: "noAnswer", cost: { amount: 0 } });
  });
});

describe("the news of a leg", () => {
  const news: fc.Arbitrary<LineNews> = fc.constantFrom<LineNews>(
    { news: "trying" },
    { news: "ringing" },
    { news: "early", description: { type: "answer", sdp: "early" } },
    { news: "answered", description: { type: "answer", sdp: "answer" } },
    { news: "ended", cause: "denied" },
    { news: "ended", cause: "hungUp" },
  );
  const order = ["initiating", "progressing", "ringing", "answered", "established", "ended"];

  it("may come in any order and again: one end, one answer, one record, and nothing left", () => {
    const other = fc.oneof(
      fc.integer({ min: 0, max: 50_000 }),
      fc.constantFrom<CallOperation>(
        { op: "hangup" },
        { op: "flowing", flowing: true },
        { op: "flowing", flowing: false },
        { op: "media", media: { muted: false, held: true, video: "off" } },
        { op: "media", media: { muted: false, held: false, video: "off" } },
        { op: "dtmf", keys: "1" },
        { op: "transfer", to: "bob" },
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(news, other), { maxLength: 30 }), fc.boolean(), (script, paid) => {
        const rate = {
          prefix: "46",
          name: "Sweden",
          perMinute: paid ? 60_000 : 0,
          connectFee: 0,
          increment: 10,
        };
        const call = new PhoneCall(new Purse(300_000, rate));
        call.prepare();
        let answers = 0;
        let seen = 0;
        for (const one of script) {
          const { state } = call.call;
          if (typeof one === "number") call.pass(one);
          else if ("news" in one) call.tell(one);
          else call.op(one);
          expect(order.indexOf(call.call.state)).toBeGreaterThanOrEqual(order.indexOf(state));
          for (const { seq, event } of call.call.logs.caller.entries) {
            if (seq > seen && event.event === "answered") answers += 1;
            seen = Math.max(seen, seq);
          }
        }
        // A phone that is never hung up: the longest call ends it.
        call.pass(20_000_000);
        expect(call.call.state).toBe("ended");
        expect(answers).toBeLessThanOrEqual(1);
        expect(answers).toBe(call.call.times.answered === undefined ? 0 : 1);
        expect(call.effects.filter(({ type }) => type === "record")).toHaveLength(1);
        expect(Object.keys(call.call.deadlines)).toEqual(["linger"]);
        expect(costOfCall(call.call)?.amount).toBeLessThanOrEqual(300_000);
      }),
      { numRuns: 2_000 },
    );
  });

  it("is not for whoever has another line or name", () => {
    const call = new PhoneCall(
      new Purse(1_000_000, { prefix: "46", name: "", perMinute: 1, connectFee: 0, increment: 1 }),
    );
    call.prepare();
    const answered = { news: "answered", description: { type: "answer", sdp: "" } } as const;
    for (const from of [
      alice,
      { ...phone, line: "sip" } as const,
      { applicationKey: application, userId: phone.userId },
    ]) {
      const { result } = step(call.call, { type: "line", from, connection: "x", news: answered }, T0);
      expect(result).toMatchObject({ ok: false, error: { name: "notFound" } });
    }
  });
});
