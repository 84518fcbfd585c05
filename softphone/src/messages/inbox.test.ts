import { describe, expect, it } from "vitest";
import { conversationWith } from "./conversation";
import {
  emptyInbox,
  readInbox,
  unreadOf,
  unreadTotal,
  withFailed,
  withHappenings,
  withoutFailed,
  withRead,
  writeInbox,
} from "./inbox";
import { type Entry, noNews } from "./thread";

const bob = conversationWith("me", ["bob"]);
const group = conversationWith("me", ["bob", "carol"]);
const app = conversationWith("me", ["dave"], { application: true });

const inbox = withHappenings(emptyInbox, [
  { conversation: bob, time: 1, unread: ["bob 1"] },
  { conversation: group, time: 2, unread: ["bob 2", "carol 3"] },
  { conversation: bob, time: 3, unread: ["bob 1", "bob 4"] },
  { conversation: app, time: 0 },
]);

const failed: Entry = {
  messageId: "f",
  senderId: "me",
  recipientIds: ["bob"],
  text: "lost?",
  headers: {},
  time: 5,
  ...noNews,
  failures: { bob: { message: "No.", hint: "", code: 41000 } },
};

describe("the list of conversations", () => {
  it("has the one with the last message first, and each unread message once", () => {
    expect(inbox.summaries.map(({ conversation, unread }) => [conversation.id, unread.length])).toEqual([
      ["bob", 2],
      ["bob carol", 2],
      [" dave", 0],
    ]);
    expect(unreadTotal(inbox)).toBe(4);
  });

  it("does not go back in time", () => {
    const again = withHappenings(inbox, [{ conversation: bob, time: 1 }]);
    expect(again.summaries[0]?.last).toBe(3);
  });

  it("knows what was read, here or elsewhere", () => {
    const here = withHappenings(inbox, [{ conversation: bob, read: ["bob 1"] }]);
    expect(unreadOf(here, "bob")).toEqual(["bob 4"]);
    const elsewhere = withRead(inbox, new Set(["bob 2", "bob 4", "eve 9"]));
    expect([unreadOf(elsewhere, "bob"), unreadOf(elsewhere, "bob carol")]).toEqual([["bob 1"], ["carol 3"]]);
    expect(withRead(inbox, new Set(["eve 9"]))).toBe(inbox);
  });

  it("does not grow without end", () => {
    const unread = Array.from({ length: 2_000 }, (_, i) => `bob ${i}`);
    const full = withHappenings(emptyInbox, [
      { conversation: bob, time: 1, unread },
      ...Array.from({ length: 300 }, (_, i) => ({
        conversation: conversationWith("me", [`u${i}`]),
        time: i,
      })),
    ]);
    expect(full.summaries.length).toBe(200);
    expect(unreadOf(withHappenings(emptyInbox, [{ conversation: bob, unread }]), "bob").at(-1)).toBe(
      "bob 1999",
    );
  });
});

describe("what is kept of it", () => {
  it("comes back as it went", () => {
    const kept = withFailed(inbox, [failed]);
    expect(readInbox("me", writeInbox(kept))).toEqual(kept);
  });

  it("has no text but that of messages that failed", () => {
    expect(Object.keys(JSON.parse(writeInbox(inbox)).conversations[0])).toEqual(["others", "last", "unread"]);
  });

  it.each([
    null,
    "",
    "{",
    "7",
    "null",
    '{"conversations":7,"failed":[7,{"messageId":"x"}]}',
    '{"conversations":[{},7,{"others":[],"last":1}]}',
  ])("starts afresh from %j", (text) => expect(readInbox("me", text)).toEqual(emptyInbox));
});

describe("failed messages", () => {
  const many = (count: number, text: string) =>
    Array.from({ length: count }, (_, i): Entry => ({ ...failed, messageId: `f${i}`, text }));

  it("are kept all together, as many as can fail at once, while there is room", () => {
    expect(withFailed(inbox, many(1_000, "short")).failed).toHaveLength(1_000);
    const { failed } = withFailed(inbox, many(1_000, "x".repeat(10_000)));
    expect([failed.length, failed.at(-1)?.messageId]).toEqual([50, "f999"]);
  });

  it("stay until they are removed, each once", () => {
    const twice = withFailed(withFailed(inbox, [failed]), [failed]);
    expect(twice.failed).toEqual([failed]);
    expect(withoutFailed(twice, "f").failed).toEqual([]);
  });
});
