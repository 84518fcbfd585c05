import { describe, expect, it } from "vitest";
import {
  type Entry,
  failuresOf,
  keyOf,
  markOf,
  markWords,
  merge,
  mergeNewest,
  noNews,
  withNews,
} from "./thread";

const refused = { message: "Nobody is there.", hint: "Try later.", code: 40401 };

function message(messageId: string, more: Partial<Entry> = {}): Entry {
  return {
    messageId,
    senderId: "me",
    recipientIds: ["bob"],
    text: messageId,
    headers: {},
    time: 1_000,
    ...noNews,
    ...more,
  };
}

const ids = (entries: readonly Entry[]) => entries.map(({ messageId }) => messageId).join(" ");

describe("the order of messages", () => {
  it("is that of the server's time, then of the ids; those that wait come last", () => {
    const waiting = message("a", { waiting: true, time: 1 });
    const entries = merge([], [waiting, message("d"), message("c"), message("b", { time: 900 })]);
    expect(ids(entries)).toBe("b c d a");
  });

  it("has each message once, and one id of two senders twice", () => {
    const entries = merge([message("a")], [message("a"), message("a", { senderId: "bob" })]);
    expect(entries.map(keyOf)).toEqual(["me a", "bob a"]);
  });

  it("gives a message its time when it is sent, and never lets it wait again", () => {
    const sent = merge([message("a", { waiting: true, time: 5 })], [message("a", { time: 2_000 })]);
    const [entry] = merge(sent, [message("a", { waiting: true, time: 5 })]);
    expect(entry).toMatchObject({ time: 2_000 });
    expect(entry?.waiting).toBeUndefined();
  });
});

describe("what is heard of a message", () => {
  it("adds up, and the first time counts", () => {
    const delivered = withNews(message("a"), { states: { bob: { delivered: 1 } }, failures: {} });
    const read = withNews(delivered, { states: { bob: { read: 3, delivered: 2 } }, failures: {} });
    expect(read.states).toEqual({ bob: { delivered: 1, read: 3 } });
  });

  it("stays when the history knows less", () => {
    const read = message("a", { states: { bob: { delivered: 1, read: 2 } } });
    const [entry] = merge([read], [message("a", { states: { bob: {} } })]);
    expect(entry?.states).toEqual({ bob: { delivered: 1, read: 2 } });
  });
});

describe("the newest page of the history", () => {
  const at = (time: number) => message(`at${time}`, { time });
  const before = [at(1), at(2), message("failed", { time: 1, failures: { bob: refused } })];

  it("is added where it reaches back to what is known", () => {
    const page = [at(3), at(2)];
    const { entries, gap } = mergeNewest(before, page, { knownUpTo: 2, complete: false });
    expect([ids(entries), gap]).toEqual(["at1 failed at2 at3", false]);
  });

  it("is added where it is everything", () => {
    const { gap } = mergeNewest(before, [at(9)], { knownUpTo: 2, complete: true });
    expect(gap).toBe(false);
  });

  it("replaces what is older than a gap, but not what only this page has", () => {
    const waiting = message("waiting", { waiting: true, time: 0 });
    const page = [at(9), at(8)];
    const { entries, gap } = mergeNewest([...before, waiting], page, { knownUpTo: 2, complete: false });
    expect([ids(entries), gap]).toEqual(["failed at8 at9 waiting", true]);
  });
});

describe("the mark of a message", () => {
  it.each<[string, Partial<Entry>]>([
    ["waiting", { waiting: true }],
    ["sent", {}],
    ["delivered", { states: { bob: { delivered: 1 } } }],
    ["read", { states: { bob: { read: 1 } } }],
    ["failed", { failures: { bob: refused } }],
  ])("is %s", (mark, more) => expect(markOf(message("a", more))).toBe(mark));

  it("is that of the last one of several", () => {
    const group = { recipientIds: ["bob", "carol", "dave"] };
    const mark = (more: Partial<Entry>) => {
      const entry = message("a", { ...group, ...more });
      return `${markOf(entry)}: ${markWords(entry)}`;
    };
    const bob = { bob: { delivered: 1, read: 2 } };
    const both = { ...bob, carol: { delivered: 3 } };
    expect(mark({ states: bob })).toBe("sent: Sent; read by bob");
    expect(mark({ states: both })).toBe("sent: Sent; read by bob; delivered to carol");
    expect(mark({ states: both, failures: { dave: refused } })).toBe(
      "delivered: Delivered; read by bob; not to dave",
    );
    expect(mark({ failures: { bob: refused, carol: refused, dave: refused } })).toBe("failed: Not sent");
  });

  it("does not wait for the one who wrote it, unless to oneself", () => {
    const delivered = { states: { bob: { delivered: 1 } } };
    expect(markOf(message("a", { recipientIds: ["bob", "me"], ...delivered }))).toBe("delivered");
    expect(markOf(message("a", { recipientIds: ["me"] }))).toBe("sent");
  });

  it("takes a user's id for nothing else", () => {
    expect(markOf(message("a", { recipientIds: ["constructor", "__proto__"] }))).toBe("sent");
    const states = { ["__proto__"]: { delivered: 1 } };
    expect(markOf(withNews(message("a", { recipientIds: ["__proto__"] }), { states, failures: {} }))).toBe(
      "delivered",
    );
  });
});

describe("failures", () => {
  it("are put together by their reasons", () => {
    const full = { ...refused, code: 50700 };
    const entry = message("a", {
      recipientIds: ["bob", "carol", "dave", "eve"],
      failures: { eve: refused, bob: refused, carol: full },
    });
    expect(failuresOf(entry).map(({ users, failure }) => [failure.code, ...users])).toEqual([
      [40401, "bob", "eve"],
      [50700, "carol"],
    ]);
  });
});
