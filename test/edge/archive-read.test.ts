/** The archive as it is read: pages, and how D1 finds them. */
import { describe, expect, test } from "vitest";
import { type MessageCopy, writeMessages, writeReads } from "../../core/messages/archive";
import { findMessages, listConversation, listUserMessages } from "../../core/messages/archive-read";
import type { MessagePage, StoredMessage } from "../../protocol";
import { copiesOf, copyOf, day, idsOf, messageId, newKey, now, pageOf } from "./copies";
import { bindings } from "./support";

const { DB } = bindings;
const someId = messageId(0);

async function conversation(
  app: string,
  participants: string[],
  more: { before?: string; limit?: number; user?: string } = {},
) {
  const { user, before, limit = 100 } = more;
  return pageOf(await listConversation(DB, app, { participants, user }, { before, limit }, now));
}

describe("it goes by an index", () => {
  test.each([
    [
      "a conversation",
      "SEARCH messages USING PRIMARY KEY (application_key=? AND conversation=? AND time>?",
      () => listConversation(planned(), "a", { participants: ["b", "c"], user: "b" }, { limit: 9 }, now),
    ],
    [
      "a user's",
      "SEARCH newest USING PRIMARY KEY (application_key=? AND conversation=? AND time>?",
      () => listUserMessages(planned(), "a", "b", { limit: 9 }, now),
    ],
    [
      "one",
      "SEARCH messages USING INDEX messages_by_id (message_id=? AND application_key=?",
      () => findMessages(planned(), "a", { id: "x" }, now),
    ],
    [
      "what was read",
      "SEARCH messages USING INDEX messages_by_id (message_id=? AND application_key=? AND sender=?",
      () => writeReads(planned(), "a", "b", [], now),
    ],
  ])("a look at %s goes by an index", async (_, expected, look) => {
    plans.length = 0;
    await look();
    const searches = plans.filter((plan) => /messages|conversations|newest/.test(plan));
    expect(searches.some((plan) => plan.startsWith(expected))).toBe(true);
    // Nothing is looked for in the whole application, nor in everything.
    for (const plan of searches) expect(plan).toMatch(/^SEARCH .*(conversation|user_id|message_id)=\?/);
  });

  const plans: string[] = [];
  /** It does not do what it is asked to: it notes how it would. */
  function planned(): D1Database {
    const statement = (inner: D1PreparedStatement) => ({
      bind: (...values: unknown[]) => statement(inner.bind(...values)),
      all: async () => {
        const { results } = await inner.all<{ detail: string }>();
        plans.push(...results.map(({ detail }) => detail));
        return { results: [] };
      },
    });
    const prepare = (sql: string) => statement(DB.prepare(`EXPLAIN QUERY PLAN ${sql}`));
    return { prepare } as unknown as D1Database;
  }
});

describe("pages", () => {
  const allPages = async (next: (before?: string) => Promise<MessagePage>) => {
    const seen: StoredMessage[] = [];
    for (let before: string | undefined; ; ) {
      const page = await next(before);
      seen.push(...page.messages);
      if (page.next === undefined) return seen.map(({ id, from }) => `${id} ${from}`);
      before = page.next;
    }
  };

  test("show each message once, newest first, whatever the limit, and however many are of one time", async () => {
    const app = newKey();
    const copies: MessageCopy[] = [];
    for (let at = 0; at < 12; at++) {
      const id = messageId();
      // The same id of both of them at the same time.
      copies.push(copyOf({ id, time: now + (at >> 2) }));
      copies.push(copyOf({ id, time: now + (at >> 2), from: "bob", to: ["alice"], recipient: "alice" }));
    }
    await writeMessages(DB, app, copies);
    const expected = copies.map(({ id, from }) => `${id} ${from}`).reverse();
    for (const limit of [1, 2, 5, 24, 25]) {
      expect(await allPages((before) => conversation(app, ["bob", "alice"], { before, limit }))).toEqual(
        expected,
      );
      const ofUser = (before?: string) =>
        listUserMessages(DB, app, "bob", { before, limit }, now).then(pageOf);
      expect(await allPages(ofUser)).toEqual(expected);
    }
    expect((await conversation(app, ["alice", "bob"], { limit: 24 })).next).toBeUndefined();
  });

  test("of a user: from all conversations, in one order", async () => {
    const app = newKey();
    const others = ["alice", "carol", "dave", null];
    const copies = Array.from({ length: 40 }, (_, at) => {
      const other = others[(at * 7) % 4] ?? null;
      return at % 3 === 0 && other !== null
        ? copyOf({ from: "bob", to: [other], recipient: other, time: now + at })
        : copyOf({ from: other, time: now + at });
    });
    const group = copiesOf({ to: ["bob", "carol", "dave"], time: now + 50 });
    const foreign = [copyOf({ from: "alice", to: ["carol"], recipient: "carol", time: now + 60 })];
    await writeMessages(DB, app, [...copies, ...group, ...foreign]);
    await writeMessages(DB, newKey(), [copyOf({ time: now + 70 })]);
    const expected = [...copies, ...group.slice(0, 1)].map(({ id, from }) => `${id} ${from}`).reverse();
    for (const limit of [1, 7, 100]) {
      const next = (before?: string) => listUserMessages(DB, app, "bob", { before, limit }, now).then(pageOf);
      expect(await allPages(next)).toEqual(expected);
    }
  });

  test("one who was refused does not see the message, the application does", async () => {
    const app = newKey();
    const [, carol] = copiesOf({ to: ["bob", "carol"] }) as [MessageCopy, MessageCopy];
    await writeMessages(DB, app, [carol]);
    const all = ["alice", "bob", "carol"];
    expect(idsOf(await conversation(app, all))).toEqual([carol.id]);
    expect(idsOf(await conversation(app, all, { user: "carol" }))).toEqual([carol.id]);
    expect(idsOf(await conversation(app, all, { user: "alice" }))).toEqual([carol.id]);
    expect(idsOf(await conversation(app, all, { user: "bob" }))).toEqual([]);
    expect(idsOf(pageOf(await listUserMessages(DB, app, "bob", { limit: 9 }, now)))).toEqual([]);
  });

  test("a conversation is exactly its participants'", async () => {
    const app = newKey();
    const one = copyOf();
    const toOneself = copyOf({ from: "bob" });
    const ofApplication = copyOf({ from: null });
    const group = copiesOf({ to: ["bob", "carol"] });
    await writeMessages(DB, app, [one, toOneself, ofApplication, ...group]);
    expect(idsOf(await conversation(app, ["alice", "bob"]))).toEqual([one.id]);
    expect(idsOf(await conversation(app, ["bob"]))).toEqual([toOneself.id]);
    expect(idsOf(await conversation(app, ["", "bob"]))).toEqual([ofApplication.id]);
    expect(idsOf(await conversation(app, ["carol", "bob", "alice", "bob"]))).toEqual([group[0]?.id]);
    expect(idsOf(await conversation(app, ["carol", "bob"]))).toEqual([]);
  });

  test("nothing that is 30 days old", async () => {
    const app = newKey();
    const [old, young] = [copyOf({ time: now - 30 * day }), copyOf({ time: now - 30 * day + 1 })];
    await writeMessages(DB, app, [old, young]);
    expect(idsOf(await conversation(app, ["alice", "bob"]))).toEqual([young.id]);
    expect(idsOf(pageOf(await listUserMessages(DB, app, "bob", { limit: 9 }, now)))).toEqual([young.id]);
    expect(await findMessages(DB, app, { id: old.id }, now)).toEqual([]);
    expect(await findMessages(DB, app, { id: young.id }, now)).toHaveLength(1);
  });

  test.each(["", "x", "%", btoa("1 2 3"), btoa(`1 ${someId}  `), btoa(`-1 ${someId} a`), "\0"])(
    "%j is no cursor",
    async (before) => {
      const error = { error: { name: "invalidRequest" } };
      expect(
        await listConversation(DB, "a", { participants: ["a"] }, { before, limit: 1 }, now),
      ).toMatchObject(error);
      expect(await listUserMessages(DB, "a", "a", { before, limit: 1 }, now)).toMatchObject(error);
    },
  );
});
