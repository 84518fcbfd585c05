import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { serverLimits } from "../../protocol";
import { MapStore } from "../testing/map-store";
import type { CallPush, MessagePush } from "./content";
import { type DuePush, PushBook, type PushOfDevice } from "./push-book";

const T0 = 1_795_000_000_000;
const second = 1_000;
const app = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const call: CallPush = {
  type: "call",
  callId: "c1",
  from: "alice",
  video: false,
  headers: {},
  until: T0 + 45 * second,
};
const message = (messageId: string): MessagePush => ({
  type: "message",
  messageId,
  headers: {},
  until: T0 + 30 * 86_400 * second,
});

let store: MapStore;
let book: PushBook;
/** Memory is gone, storage is not. */
const restart = () => {
  book = new PushBook(store);
};
beforeEach(() => {
  store = new MapStore();
  restart();
});

const nobodyKnows = () => false;
const told = (instances: string[], result: PushOfDevice["result"] = "sent") =>
  instances.map((instanceId) => ({ instanceId, result }));
const due = (seconds: number, sleepers: string[] = ["phone"]) =>
  book.due(T0 + seconds * second, () => sleepers);

describe("a call's push", () => {
  it("is sent again until it is reported on, and only to whom it was not", () => {
    expect(book.call(call, app, ["phone", "tablet"], true, T0)?.instances).toEqual(["phone", "tablet"]);
    book.report("call:c1", told(["phone"]));
    restart();
    expect(due(7)).toEqual([]);
    expect(due(8)).toMatchObject([{ push: "call:c1", instances: ["tablet"], application: app }]);
    book.report("call:c1", told(["tablet"]));
    expect(book.next).toBeNull();
    expect(due(44)).toEqual([]);
  });

  it("is not sent again after the call has stopped ringing", () => {
    book.call(call, app, ["phone"], true, T0);
    expect(due(45)).toEqual([]);
    expect(book.next).toBeNull();
  });

  it("is made once, however often the call is offered", () => {
    book.call(call, app, ["phone"], true, T0);
    expect(book.call(call, app, ["phone"], true, T0 + second)).toBeNull();
  });

  it("is followed by its end at the devices that do not know", () => {
    book.call(call, app, ["phone", "tablet", "watch"], true, T0);
    book.report("call:c1", told(["phone", "tablet", "watch"]));
    restart();
    const over = book.over(call, "otherDeviceAnswered", (id) => id === "tablet", T0 + 3 * second);
    expect(over).toMatchObject({
      push: "cancel:c1",
      content: { type: "cancel", cause: "otherDeviceAnswered", callId: "c1" },
      instances: ["phone", "watch"],
    });
    expect(over?.content).not.toHaveProperty("headers");
    expect(book.over(call, "hungUp", nobodyKnows, T0 + 4 * second)).toBeNull();
    restart();
    expect(due(11)).toMatchObject([{ push: "cancel:c1", instances: ["phone", "watch"] }]);
    book.report("cancel:c1", told(["phone", "watch"]));
    expect(store.size).toBe(0);
  });

  it("does not take a late report on the call for one on its end", () => {
    book.call(call, app, ["phone"], true, T0);
    book.over(call, "canceled", nobodyKnows, T0 + second);
    book.report("call:c1", told(["phone"]));
    expect(due(9)).toMatchObject([{ push: "cancel:c1", instances: ["phone"] }]);
  });

  it("leaves nothing behind when everybody knows", () => {
    book.call(call, app, ["phone"], true, T0);
    expect(book.over(call, "hungUp", () => true, T0 + second)).toBeNull();
    expect(store.size).toBe(0);
  });

  it("is wanted as long as it rings; its end for a day", () => {
    book.call(call, app, ["phone"], true, T0);
    expect(book.isWanted("call:c1", T0 + 44 * second)).toBe(true);
    expect(book.isWanted("call:c1", T0 + 45 * second)).toBe(false);
    book.over(call, "timeout", nobodyKnows, T0 + 45 * second);
    expect(book.isWanted("call:c1", T0 + 1)).toBe(false);
    expect(book.isWanted("cancel:c1", T0 + 3_600 * second)).toBe(true);
    expect(book.isWanted("cancel:c1", T0 + (serverLimits.missedCallHours * 3_600 + 45) * second)).toBe(false);
  });

  it.each<[string, PushOfDevice["result"][], boolean, boolean]>([
    ["has reached nobody", ["dead", "failed"], true, true],
    ["has reached one", ["sent", "dead"], true, false],
    ["is tried again", ["dead", "later"], true, false],
    ["has reached nobody, while another device is connected", ["dead", "dead"], false, false],
  ])("tells when it %s", (_name, [first, last], alone, unreachable) => {
    book.call(call, app, ["phone", "tablet"], alone, T0);
    expect(book.report("call:c1", told(["phone"], first)).unreachable).toBeUndefined();
    restart();
    const { unreachable: found } = book.report("call:c1", told(["tablet"], last));
    expect(found?.callId).toBe(unreachable ? "c1" : undefined);
  });

  it("tells again that it has reached nobody until that is known", () => {
    book.call(call, app, ["phone"], true, T0);
    expect(book.report("call:c1", told(["phone"], "dead")).unreachable).toBeDefined();
    expect(book.report("call:c1", told(["phone"], "dead")).unreachable).toBeDefined();
    restart();
    expect(book.unreachable(T0 + 7 * second)).toEqual([]);
    expect(book.unreachable(T0 + 8 * second)).toMatchObject([{ callId: "c1" }]);
    book.told(call);
    expect(book.unreachable(T0 + 8 * second)).toEqual([]);
    expect(book.next).toBeNull();
  });

  it("has reached nobody when what the queue tried comes to nothing, and somebody when it does not", () => {
    book.call(call, app, ["phone"], true, T0);
    expect(book.report("call:c1", told(["phone"], "later")).unreachable).toBeUndefined();
    expect(book.report("call:c1", told(["phone"], "dead")).unreachable).toBeDefined();
    book.call({ ...call, callId: "c2" }, app, ["phone"], true, T0);
    book.report("call:c2", told(["phone"], "sent"));
    // The first report is late.
    book.report("call:c2", told(["phone"], "later"));
    expect(book.report("call:c2", told(["phone"], "dead")).unreachable).toBeUndefined();
  });

  it("is not followed by its end at a device that got nothing", () => {
    book.call(call, app, ["phone", "tablet", "watch"], true, T0);
    book.report("call:c1", [...told(["phone"], "failed"), ...told(["tablet"], "later"), ...told(["watch"])]);
    expect(book.over(call, "canceled", nobodyKnows, T0 + second)?.instances).toEqual(["watch"]);
  });

  it("is extended to a device that has gone while it rings", () => {
    book.call(call, app, ["phone"], false, T0);
    expect(book.call(call, app, ["phone", "tablet"], false, T0 + second)?.instances).toEqual(["tablet"]);
    expect(book.over(call, "canceled", nobodyKnows, T0 + 2 * second)?.instances).toEqual(["phone", "tablet"]);
    expect(book.call(call, app, ["watch"], false, T0 + 3 * second)).toBeNull();
  });

  it("is another one's than that of another application's call with the same id", () => {
    book.call(call, app, ["phone"], true, T0);
    const other = { ...call, origin: "cb0a1d96-c69d-4ac7-b529-f84fffbf8722" };
    expect(book.call(other, "other", ["phone"], true, T0)?.push).not.toBe("call:c1");
    book.over(other, "canceled", nobodyKnows, T0);
    expect(book.isWanted("call:c1", T0)).toBe(true);
  });

  it("has an end that the queue may still have to tell", () => {
    book.call(call, app, ["phone", "tablet"], true, T0);
    book.over(call, "canceled", nobodyKnows, T0);
    book.report("cancel:c1", [...told(["phone"], "later"), ...told(["tablet"])]);
    expect(book.isWanted("cancel:c1", T0 + second)).toBe(true);
    book.report("cancel:c1", told(["phone"]));
    expect(store.size).toBe(0);
  });

  it("is forgotten when nobody ever says that the call is over", () => {
    book.call(call, app, ["phone"], true, T0);
    book.report("call:c1", told(["phone"]));
    book.call({ ...call, callId: "c2", until: T0 + 200 * second }, app, ["phone"], true, T0 + 120 * second);
    expect([...store.list({ prefix: "push:" })].map(([key]) => key)).toEqual(["push:c2"]);
  });
});

describe("messages", () => {
  it("that come soon after a push are one push, of the newest", () => {
    expect(book.message(message("m1"), app, ["phone"], T0)?.push).toBe("message:m1");
    book.report("message:m1", told(["phone"]));
    expect(book.message(message("m2"), app, ["phone"], T0 + second)).toBeNull();
    expect(book.message(message("m3"), app, ["phone"], T0 + 2 * second)).toBeNull();
    expect(book.next).toBe(T0 + 5 * second);
    expect(due(4)).toEqual([]);
    expect(due(5)).toMatchObject([{ push: "message:m3", instances: ["phone"] }]);
    book.report("message:m3", told(["phone"]));
    expect(book.next).toBeNull();
    expect(book.message(message("m4"), app, ["phone"], T0 + 11 * second)?.push).toBe("message:m4");
  });

  it("that wait for their turn cost one written row, however many they are", () => {
    book.message(message("m1"), app, ["phone"], T0);
    const before = store.written;
    for (let at = 2; at < 100; at += 1) book.message(message(`m${at}`), app, ["phone"], T0 + second);
    expect(store.written - before).toBe(1);
  });

  it("that wait are pushed after a restart, too", () => {
    book.message(message("m1"), app, ["phone"], T0);
    book.report("message:m1", told(["phone"]));
    book.message(message("m2"), app, ["phone"], T0 + second);
    restart();
    expect(due(5)).toMatchObject([{ push: "message:m2" }]);
  });

  it("are not pushed to somebody who has woken up meanwhile", () => {
    book.message(message("m1"), app, ["phone"], T0);
    book.message(message("m2"), app, ["phone"], T0 + second);
    expect(due(5, [])).toEqual([]);
    expect(book.next).toBeNull();
  });

  it("are sent again only to those who sleep", () => {
    book.message(message("m1"), app, ["phone", "tablet"], T0);
    expect(due(40, ["tablet"])).toMatchObject([{ instances: ["tablet"] }]);
  });

  it("that the queue has stay wanted, whatever becomes of the other devices", () => {
    book.message(message("m1"), app, ["phone", "tablet"], T0);
    book.report("message:m1", told(["phone"], "later"));
    // The tablet is never reported on.
    for (let turn = 1; turn < 10; turn += 1) due(turn * 1_000, ["phone", "tablet"]);
    expect(book.next).toBeNull();
    expect(book.isWanted("message:m1", T0 + 20_000 * second)).toBe(true);
  });

  it("are tried again later by the queue only where no newer one was pushed", () => {
    book.message(message("m1"), app, ["phone"], T0);
    book.report("message:m1", told(["phone"], "later"));
    expect(book.isWanted("message:m1", T0 + 60 * second)).toBe(true);
    book.message(message("m2"), app, ["phone"], T0 + 60 * second);
    expect(book.isWanted("message:m1", T0 + 61 * second)).toBe(false);
    expect(book.isWanted("message:m2", T0 + 61 * second)).toBe(true);
  });
});

/** The sender of a world in which both it and the hub may die at any moment. */
it("whatever dies when, each device is pushed once at least, and again only where nobody knew", () => {
  const devices = ["a", "b", "c"];
  const event = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("deliver" as const), pick: fc.nat(5) }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("report" as const), pick: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), pick: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("lose" as const), pick: fc.nat(5) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("time" as const), pick: fc.nat(9) }) },
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      store = new MapStore();
      restart();
      let now = T0;
      const received = new Map<string, number>();
      /** Reports that never came: the push that follows is the price. */
      const excused = new Map<string, number>();
      let sends: DuePush[] = [];
      let reports: { push: string; results: PushOfDevice[] }[] = [];
      const excuse = (ids: string[]) => {
        for (const id of ids) excused.set(id, (excused.get(id) ?? 0) + 1);
      };
      const first = book.call({ ...call, until: T0 + 3_600 * second }, app, devices, true, now);
      if (first) sends.push(first);
      const deliver = (send: DuePush) => {
        for (const id of send.instances) received.set(id, (received.get(id) ?? 0) + 1);
        reports.push({ push: send.push, results: told(send.instances) });
      };
      for (const { kind, pick } of events) {
        const at = pick % Math.max(1, kind === "report" ? reports.length : sends.length);
        if (kind === "deliver") for (const send of sends.splice(at, 1)) deliver(send);
        if (kind === "report")
          for (const { push, results } of reports.splice(at, 1)) book.report(push, results);
        if (kind === "restart") restart();
        if (kind === "lose") {
          // The sender dies: what it had not sent, and what it had not said.
          for (const { results } of reports) excuse(results.map(({ instanceId }) => instanceId));
          [sends, reports] = [[], []];
        }
        if (kind === "time") {
          now += pick * second;
          // One that is slower than the hub's patience is as good as dead.
          for (const send of book.due(now, () => devices)) {
            excuse(send.instances);
            sends.push(send);
          }
        }
      }
      for (const send of sends) deliver(send);
      for (const { push, results } of reports) book.report(push, results);
      for (let turn = 0; turn < 10; turn += 1) {
        now += 200 * second;
        for (const send of book.due(now, () => devices)) {
          deliver(send);
          book.report(send.push, told(send.instances));
        }
      }
      for (const id of devices) {
        expect(received.get(id) ?? 0).toBeGreaterThanOrEqual(1);
        expect(received.get(id) ?? 0).toBeLessThanOrEqual(1 + (excused.get(id) ?? 0));
      }
      expect(book.next).toBeNull();
    }),
  );
});
