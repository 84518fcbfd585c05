/**
 * What a message costs the people who run this: rows written and requests to objects, counted over
 * everything that takes part, from the send until the history knows of its delivery. The bounds are
 * promises, since Cloudflare bills by these two.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { userHub } from "../../durable-objects/names";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { bindings, messageId, Peer, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

const rpc = ["send", "take", "receipts", "typing", "archive", "presence", "alarm"] as const;

/** Rows that a hub's storage has written since it woke up; alarms are rows too. */
const rowsOf = (user: UserAddress): Promise<number> =>
  runInDurableObject(userHub(bindings, user), (_, state) =>
    Number(state.storage.sql.exec("select total_changes() as rows").one().rows),
  );

const pass = (user: UserAddress, milliseconds: number) =>
  runInDurableObject(userHub(bindings, user), (hub) => {
    const { clock } = hub;
    hub.clock = () => clock() + milliseconds;
  });

/** Sends messages together, and goes on when they are delivered. */
async function exchange(alice: Peer, bob: Peer, count: number): Promise<void> {
  const messages = Array.from({ length: count }, () => ({ id: messageId(), to: [bob.user.userId] }));
  await alice.send(...messages);
  const last = messages.at(-1)?.id;
  await bob.when((frame) =>
    frame.type === "mail" ? frame.messages.find(({ id }) => id === last) : undefined,
  );
  bob.acknowledge();
  await alice.note("delivered", last);
}

/** Until the history knows that `count` messages were delivered: by itself, or by the alarm. */
async function archived({ user }: Peer, count: number): Promise<void> {
  const known = () =>
    bindings.DB.prepare(
      "SELECT count(*) AS n FROM messages WHERE application_key = ? AND states -> ? ->> 'delivered' > 0",
    )
      .bind(user.applicationKey, `$."${user.userId}"`)
      .first<number>("n");
  await expect
    .poll(async () => {
      if ((await known()) === count) return count;
      await pass(user, 6_000);
      await runDurableObjectAlarm(userHub(bindings, user));
      return known();
    })
    .toBe(count);
}

interface Cost {
  rows: number;
  requests: number;
}

/** Counts what `run` costs per message; `before` so many have been delivered already. */
async function cost(
  name: string,
  { count, before }: { count: number; before: number },
  run: (alice: Peer, bob: Peer) => Promise<void>,
): Promise<Cost> {
  const alice = await Peer.connect(someone("alice"));
  const bob = await Peer.connect(someone("bob"));
  if (before > 0) {
    await exchange(alice, bob, before);
    await archived(bob, before);
    await pass(bob.user, 60_000);
  }
  const users = [alice.user, bob.user];
  const rowsBefore = await Promise.all(users.map(rowsOf));
  let d1 = 0;
  const database = Object.getPrototypeOf(bindings.DB) as D1Database;
  const { batch } = database;
  vi.spyOn(database, "batch").mockImplementation(async function (this: D1Database, statements) {
    const results = await batch.call(this, statements);
    for (const { meta } of results) d1 += meta.rows_written;
    return results as never;
  });
  const frames = vi.spyOn(UserHub.prototype, "webSocketMessage");
  const requests = rpc.map((one) => vi.spyOn(UserHub.prototype, one));

  await run(alice, bob);
  await archived(bob, before + count);

  const rowsAfter = await Promise.all(users.map(rowsOf));
  const [atAlice = 0, atBob = 0] = rowsAfter.map((rows, at) => rows - (rowsBefore[at] ?? 0));
  const calls = requests.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  const heard = frames.mock.calls.length;
  const rows = (atAlice + atBob + d1) / count;
  const billed = (calls + heard / 20) / count;
  console.info(
    `cost of a message, ${name}: ${rows.toFixed(2)} rows, ${billed.toFixed(2)} object requests as billed ` +
      `(for ${count}: sender's hub ${atAlice} rows, recipient's ${atBob}, D1 ${d1}; ` +
      `${calls} RPC and alarms, ${heard} frames)`,
  );
  expect(d1).toBeGreaterThanOrEqual(count * 2);
  return { rows, requests: billed };
}

it("is at most 4 rows and 3 requests in a conversation, one message a minute", async () => {
  const { rows, requests } = await cost("one a minute", { count: 20, before: 1 }, async (alice, bob) => {
    for (let at = 0; at < 20; at += 1) {
      await exchange(alice, bob, 1);
      await pass(bob.user, 60_000);
    }
  });
  expect(rows).toBeLessThanOrEqual(4);
  expect(requests).toBeLessThanOrEqual(3);
});

it("is at most 4 rows and 3 requests as fast as it goes", async () => {
  const { rows, requests } = await cost(
    "one after the other",
    { count: 60, before: 1 },
    async (alice, bob) => {
      for (let at = 0; at < 60; at += 1) await exchange(alice, bob, 1);
    },
  );
  expect(rows).toBeLessThanOrEqual(4);
  expect(requests).toBeLessThanOrEqual(3);
});

it("is less when messages come together", async () => {
  const { rows, requests } = await cost("50 at a time", { count: 400, before: 1 }, async (alice, bob) => {
    for (let at = 0; at < 8; at += 1) await exchange(alice, bob, 50);
  });
  expect(rows).toBeLessThanOrEqual(2.2);
  expect(requests).toBeLessThanOrEqual(0.2);
});

it("is more for the first one of two users: its conversation, and an alarm for the end of 30 days", async () => {
  const { rows, requests } = await cost("the first of two users", { count: 1, before: 0 }, (alice, bob) =>
    exchange(alice, bob, 1),
  );
  expect(rows).toBeLessThanOrEqual(6);
  expect(requests).toBeLessThanOrEqual(3);
});

it("is more for a recipient who is away", async () => {
  const { rows, requests } = await cost(
    "to somebody who is away",
    { count: 1, before: 1 },
    async (alice, bob) => {
      await bob.settled();
      bob.close();
      await expect.poll(async () => (await userHub(bindings, bob.user).presence()).online).toBe(false);
      await alice.send({ to: [bob.user.userId], text: "away" });
      await pass(bob.user, 6_000);
      await runDurableObjectAlarm(userHub(bindings, bob.user));
      const back = await bob.again([], { ack: 1 });
      await back.incoming("away");
      back.acknowledge();
      await alice.note("delivered");
    },
  );
  // Going and coming are in it: when the user was seen last, and how far the device is.
  expect(rows).toBeLessThanOrEqual(13);
  expect(requests).toBeLessThanOrEqual(7);
});
