/** The archive of messages itself: what it stores, what that costs in rows, and how it is read. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type MessageCopy, writeMessages, writeReads } from "../../core/messages/archive";
import { findMessages, listConversation } from "../../core/messages/archive-read";
import { copiesOf, copyOf, idsOf, messageId, newKey, now, pageOf } from "./copies";
import { bindings } from "./support";

const { DB } = bindings;

const stored = async (app: string, id: string) => (await findMessages(DB, app, { id }, now))[0];

const idsIn = async (app: string, participants: string[]) =>
  idsOf(pageOf(await listConversation(DB, app, { participants }, { limit: 100 }, now)));

describe("what it costs", () => {
  /** A database that adds up the rows that D1 says it has written. */
  function counting() {
    let written = 0;
    const note = <T extends { meta: { rows_written: number } }>(result: T): T => {
      written += result.meta.rows_written;
      return result;
    };
    const statement = (inner: D1PreparedStatement) => ({
      inner,
      bind: (...values: unknown[]) => statement(inner.bind(...values)),
      all: async () => note(await inner.all()),
    });
    const db = {
      prepare: (sql: string) => statement(DB.prepare(sql)),
      batch: async (all: { inner: D1PreparedStatement }[]) =>
        (await DB.batch(all.map(({ inner }) => inner))).map(note),
    };
    const rowsOf = async (work: (db: D1Database) => Promise<unknown>) => {
      written = 0;
      await work(db as unknown as D1Database);
      return written;
    };
    return rowsOf;
  }

  test("a message is two rows, a repetition none, what becomes of it one each", async () => {
    const [app, rowsOf] = [newKey(), counting()];
    const write = (...copies: MessageCopy[]) => rowsOf((db) => writeMessages(db, app, copies));
    const read = (id: string) => rowsOf((db) => writeReads(db, app, "bob", [{ from: "alice", id }], now + 9));
    // The first of a conversation notes who takes part.
    expect(await write(copyOf())).toBe(4);
    const copy = copyOf();
    expect(await write(copy)).toBe(2);
    expect(await write(copy)).toBe(0);
    expect(await write({ ...copy, delivered: now + 5 })).toBe(1);
    expect(await write({ ...copy, delivered: now + 5 })).toBe(0);
    expect(await write({ ...copy, delivered: now + 8, time: now + 3 }, copy)).toBe(0);
    expect(await read(copy.id)).toBe(1);
    expect(await read(copy.id)).toBe(0);
    expect(await write({ ...copy, delivered: now + 5 })).toBe(0);
    expect(await write(...Array.from({ length: 100 }, () => copyOf({ delivered: now })))).toBe(200);
  });

  test("a message to many is one row that its other recipients add to", async () => {
    const [app, rowsOf] = [newKey(), counting()];
    const [bob, carol, dave] = copiesOf({ to: ["bob", "carol", "dave"] }) as [
      MessageCopy,
      MessageCopy,
      MessageCopy,
    ];
    const write = (...copies: MessageCopy[]) => rowsOf((db) => writeMessages(db, app, copies));
    expect(await write(bob)).toBe(2 + 4);
    expect(await write(carol)).toBe(1);
    expect(await write(dave)).toBe(1);
    // Whichever of them come together, and in whatever order.
    expect(await write(dave, bob)).toBe(0);
    expect(await write(carol)).toBe(0);
  });
});

describe("what it stores", () => {
  test("everything that a message has", async () => {
    const app = newKey();
    const copies = copiesOf({
      from: null,
      to: ["bob", "carol"],
      text: 'a\0b\u2028😀\u0001"\\ <é>',
      headers: { "a\0": '"', constructor: "1", "": "" },
    });
    await writeMessages(DB, app, copies);
    const { recipient: _, ...message } = copies[0] as MessageCopy;
    expect(await stored(app, message.id)).toEqual({ ...message, states: { bob: {}, carol: {} } });
  });

  test("the first row stays, whatever a later copy says of the message", async () => {
    const app = newKey();
    const copy = copyOf({ delivered: now + 1 });
    await writeMessages(DB, app, [copy]);
    await writeMessages(DB, app, [{ ...copy, time: now + 5, text: "other", delivered: now + 7 }]);
    expect(await stored(app, copy.id)).toMatchObject({
      time: now,
      text: "hi",
      states: { bob: { delivered: now + 1 } },
    });
  });

  test("one id of two senders, or in two applications, is as many messages", async () => {
    const [app, other] = [newKey(), newKey()];
    const copy = copyOf();
    const ofBob = { ...copy, from: "bob", to: ["alice"], recipient: "alice", text: "of bob" };
    await writeMessages(DB, app, [copy, ofBob]);
    await writeMessages(DB, other, [{ ...copy, text: "elsewhere" }]);
    expect((await findMessages(DB, app, { id: copy.id }, now)).map(({ text }) => text).sort()).toEqual([
      "hi",
      "of bob",
    ]);
    expect(
      (await findMessages(DB, app, { id: copy.id, sender: "bob" }, now)).map(({ text }) => text),
    ).toEqual(["of bob"]);
    expect((await findMessages(DB, other, { id: copy.id }, now)).map(({ text }) => text)).toEqual([
      "elsewhere",
    ]);
  });

  test("more than one statement takes", async () => {
    const app = newKey();
    const copies = Array.from({ length: 40 }, (_, at) =>
      copyOf({ text: "\u0001".repeat(16_000), time: now + at }),
    );
    await writeMessages(DB, app, copies);
    expect(await idsIn(app, ["alice", "bob"])).toEqual(copies.map(({ id }) => id).reverse());
  });

  test("the largest message there can be", async () => {
    const app = newKey();
    const to = Array.from({ length: 256 }, (_, at) => `${'"'.repeat(37)}${String(at).padStart(3, "0")}`);
    const copies = copiesOf({
      to,
      text: "\u0001".repeat(16_384),
      headers: { a: "\0".repeat(1_023) },
      delivered: now,
    });
    await writeMessages(DB, app, copies);
    const found = await stored(app, copies[0]?.id ?? "");
    expect(Object.keys(found?.states ?? {})).toHaveLength(256);
    expect(found?.to).toEqual(to);
  });
});

test("whatever comes in whatever order and how often, the states are what was first said of each", async () => {
  const people = ['"', "\\", "__proto__", "'", "constructor", "a.b", "[0]", "$", "a"];
  const person = fc.constantFrom(...people);
  const step = fc.record({
    message: fc.nat(2),
    people: fc.uniqueArray(person, { minLength: 1, maxLength: 3 }),
    delivered: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
    read: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const app = newKey();
      const ids = [messageId(), messageId(), messageId()];
      const model = new Map<string, Map<string, { delivered?: number; read?: number }>>();
      for (const [at, { message, people: some, delivered, read }] of steps.entries()) {
        const id = ids[message] ?? "";
        const states = model.get(id) ?? new Map();
        if (read) {
          const [by = ""] = some;
          const state = states.get(by);
          const expected = state && state.read === undefined ? [{ from: "alice", id }] : [];
          expect(await writeReads(DB, app, by, [{ from: "alice", id }], 100 + at)).toEqual(expected);
          if (expected.length > 0)
            states.set(by, { delivered: state?.delivered ?? 100 + at, read: 100 + at });
        } else {
          await writeMessages(
            DB,
            app,
            some.map((recipient) => copyOf({ id, to: people, recipient, delivered })),
          );
          for (const recipient of some)
            states.set(recipient, { ...(delivered && { delivered }), ...states.get(recipient) });
          model.set(id, states);
        }
      }
      for (const id of ids) {
        const found = await stored(app, id);
        expect(new Map(Object.entries(found?.states ?? {}))).toEqual(model.get(id) ?? new Map());
      }
    }),
    { numRuns: 60, seed: 20_261_121 },
  );
});

describe("what was read", () => {
  test("counts for those who got the message, once, and only by its full name", async () => {
    const app = newKey();
    const [bob, carol] = copiesOf({ to: ["bob", "carol", "dave"] }) as [MessageCopy, MessageCopy];
    await writeMessages(DB, app, [bob, { ...carol, delivered: now + 1 }]);
    const { id } = bob;
    const read = (by: string, from: string | null, time: number) =>
      writeReads(DB, app, by, [{ from, id }], time);
    for (const by of ["alice", "dave", "eve"]) expect(await read(by, "alice", now + 2)).toEqual([]);
    expect(await read("bob", null, now + 2)).toEqual([]);
    expect(await writeReads(DB, newKey(), "bob", [{ from: "alice", id }], now + 2)).toEqual([]);
    expect(await read("bob", "alice", now + 3)).toEqual([{ from: "alice", id }]);
    expect(await read("carol", "alice", now + 4)).toEqual([{ from: "alice", id }]);
    expect(await read("carol", "alice", now + 5)).toEqual([]);
    expect((await stored(app, id))?.states).toEqual({
      bob: { delivered: now + 3, read: now + 3 },
      carol: { delivered: now + 1, read: now + 4 },
    });
  });

  test("several at once, of the application too; none is fine", async () => {
    const app = newKey();
    const copies = [copyOf(), copyOf({ from: null }), copyOf({ from: "carol" })];
    await writeMessages(DB, app, copies);
    const names = copies.map(({ from, id }) => ({ from, id }));
    const changed = await writeReads(DB, app, "bob", [...names, { from: "x", id: "y" }], now);
    expect(changed).toHaveLength(3);
    expect(changed).toEqual(expect.arrayContaining(names));
    expect(await writeReads(DB, app, "bob", [], now)).toEqual([]);
  });
});

describe("a user who was deleted", () => {
  const bury = (app: string, userId: string, time: number) =>
    DB.prepare("INSERT INTO deleted_users (application_key, user_id, time) VALUES (?, ?, ?)")
      .bind(app, userId, time)
      .run();
  const people = async (app: string) => {
    const { results } = await DB.prepare(
      "SELECT DISTINCT user_id AS id FROM conversations WHERE application_key = ? ORDER BY 1",
    )
      .bind(app)
      .all<{ id: string }>();
    return results.map(({ id }) => id);
  };

  test("does not come back with what is written late, as a sender or a recipient", async () => {
    const app = newKey();
    await bury(app, "bob", now);
    const sent = copyOf({ from: "bob", to: ["alice"], recipient: "alice" });
    const got = copyOf();
    await writeMessages(DB, app, [sent, got]);
    expect(await stored(app, sent.id)).toBeUndefined();
    expect(await stored(app, got.id)).toBeUndefined();
    expect(await people(app)).toEqual(["alice"]);
  });

  test("is left out of a message to several", async () => {
    const app = newKey();
    await bury(app, "bob", now);
    const [bob, carol] = copiesOf({ to: ["bob", "carol"] }) as [MessageCopy, MessageCopy];
    await writeMessages(DB, app, [bob]);
    expect(await stored(app, bob.id)).toBeUndefined();
    await writeMessages(DB, app, [carol, bob]);
    expect(await stored(app, bob.id)).toMatchObject({ to: ["carol"], states: { carol: {} } });
    await writeMessages(DB, app, [{ ...bob, delivered: now }]);
    expect((await stored(app, bob.id))?.states).toEqual({ carol: {} });
    expect(await people(app)).toEqual(["alice", "carol"]);
  });

  test("and who came anew: what is later is written, and what is of others", async () => {
    const app = newKey();
    await bury(app, "bob", now - 1);
    await bury(newKey(), "alice", now);
    const [before, after] = [copyOf({ time: now - 1 }), copyOf()];
    await writeMessages(DB, app, [before, after]);
    expect(await idsIn(app, ["alice", "bob"])).toEqual([after.id]);
    expect(await people(app)).toEqual(["alice", "bob"]);
  });
});
