/** DELETE /v1/users/{id}: what goes, what stays, and that nothing of it comes back. */
import { describe, expect, test } from "vitest";
import { type CallRecord, writeCallRecord, writeStatistics } from "../../core/calls/archive";
import { archiveFor, archives } from "../../core/db/database";
import { type MessageCopy, writeMessages } from "../../core/messages/archive";
import { forgetUserMessages } from "../../core/messages/archive-deletion";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import type { StoredMessage } from "../../protocol";
import worker from "../../workers/index";
import { startUserDeletion } from "../../workers/user-deletion";
import { Peer } from "../integration/peer";
import { copiesOf, copyOf, messageId, newKey, now } from "./copies";
import {
  adminHeaders,
  basic,
  bearer,
  bindings,
  newApplication,
  newInstance,
  request,
  type TestApplication,
} from "./support";

const store = (key: string, copies: readonly MessageCopy[]) =>
  writeMessages(archiveFor(bindings, key), key, copies);
const record = (call: CallRecord) => writeCallRecord(archiveFor(bindings, call.applicationKey), call);

const remove = (app: TestApplication, userId: string) =>
  request("DELETE", `/v1/users/${userId}`, { headers: basic(app) });
const post = (app: TestApplication, body: unknown) =>
  request("POST", "/v1/messages", { body, headers: basic(app) });
const messagesOf = async (app: TestApplication, query: string): Promise<StoredMessage[]> =>
  (await request("GET", `/v1/messages?${query}`, { headers: basic(app) })).body.messages;
const textsOf = async (app: TestApplication, query: string) =>
  (await messagesOf(app, query)).map(({ text }) => text);

async function withUsers(...names: string[]) {
  const app = await newApplication();
  for (const name of names) await newInstance(app, name);
  return app;
}

/** Runs the cron as if the request that began a deletion were long over. */
async function cron(env: Env = bindings) {
  await bindings.DB.prepare("UPDATE user_deletions SET served = 0").run();
  await worker.scheduled({} as ScheduledController, env);
}

/** A deployment where hubs cannot be reached. */
function withoutHubs(): Env {
  const fail = () => {
    throw new Error("it is being reset");
  };
  return { ...bindings, USER_HUB: { get: fail, idFromName: fail } as unknown as Env["USER_HUB"] };
}

/** How many rows with this application key there are in each table. */
async function rowsOf(applicationKey: string) {
  const counts: Record<string, number> = {};
  for (const table of [
    "users",
    "user_deletions",
    "messages",
    "conversations",
    "deleted_users",
    "calls",
    "call_statistics",
  ]) {
    for (const db of archives(bindings)) {
      const row = await db
        .prepare(`SELECT count(*) AS n FROM ${table} WHERE application_key = ?`)
        .bind(applicationKey)
        .first<{ n: number }>();
      if (row?.n) counts[table] = (counts[table] ?? 0) + row.n;
    }
  }
  return counts;
}

describe("messages", () => {
  test("what the user sent goes, and what nobody else got; of the rest the user is no recipient", async () => {
    const app = await withUsers("alice", "bob", "carol");
    await post(app, { sender: "bob", recipients: ["alice"], text: "of bob" });
    await post(app, { sender: "bob", recipients: ["alice", "carol"], text: "of bob, to both" });
    await post(app, { sender: "alice", recipients: ["bob"], text: "to bob" });
    await post(app, { sender: "alice", recipients: ["bob", "ghost"], text: "to bob and nobody" });
    await post(app, { recipients: ["bob"], text: "of the application" });
    await post(app, { sender: "bob", recipients: ["bob"], text: "note to self" });
    await post(app, { sender: "alice", recipients: ["bob", "carol"], text: "to both" });
    await post(app, { sender: "alice", recipients: ["carol"], text: "to carol" });
    for (const user of ["alice", "bob", "carol"]) await messagesOf(app, `userId=${user}`);
    expect((await remove(app, "bob")).status).toBe(204);
    expect(await textsOf(app, "userId=alice")).toEqual(["to carol", "to both"]);
    const [left] = await messagesOf(app, "participants=alice&participants=bob&participants=carol");
    expect(left).toMatchObject({ text: "to both", to: ["carol"], states: { carol: {} } });
    expect(left?.states).not.toHaveProperty("bob");
    for (const query of [
      "userId=bob",
      "participants=alice&participants=bob",
      "participants=&participants=bob",
    ]) {
      expect(await textsOf(app, query)).toEqual([]);
    }
    expect(await rowsOf(app.key)).toMatchObject({ messages: 2, users: 2, deleted_users: 1 });
  });

  test("what is archived late does not come back, and what waits for others is delivered", async () => {
    const app = await withUsers("bob", "carol");
    const carol = await Peer.connect("carol", { applicationKey: app.key });
    const sent = await post(app, { sender: "bob", recipients: ["carol"], text: "last words" });
    expect((await remove(app, "bob")).status).toBe(204);
    expect((await carol.incoming("last words")).from).toBe("bob");
    carol.acknowledge();
    // Asks carol's hub to write.
    expect(await textsOf(app, "userId=carol")).toEqual([]);
    expect(
      (await request("GET", `/v1/messages/${sent.body.messageId}`, { headers: basic(app) })).status,
    ).toBe(404);
  });

  test("a user of that id in another application keeps everything", async () => {
    const [app, other] = [await withUsers("alice", "bob"), await withUsers("alice", "bob")];
    for (const { key } of [app, other]) await store(key, [copyOf()]);
    await remove(app, "bob");
    expect(await textsOf(app, "userId=alice")).toEqual([]);
    expect(await textsOf(other, "userId=bob")).toEqual(["hi"]);
    expect((await request("GET", "/v1/users/bob/presence", { headers: basic(other) })).status).toBe(200);
  });

  test("as many as there are, in steps of few, and no more than once each", async () => {
    const [key, other] = [newKey(), newKey()];
    const copies: MessageCopy[] = [];
    const kept: string[] = [];
    for (let at = 0; at < 60; at++) {
      const friend = `friend-${at % 7}`;
      const time = now - 100 + at;
      copies.push(copyOf({ to: [friend], recipient: friend, from: "bob", time }));
      copies.push(copyOf({ from: friend, time }));
      const group = copiesOf({ from: friend, to: ["bob", "alice"], time });
      copies.push(...group);
      const later = copyOf({ from: friend, time: now + 1 });
      const foreign = copyOf({ from: friend, to: ["alice"], recipient: "alice", time });
      copies.push(later, foreign);
      kept.push(...[group[0], later, foreign].map((copy) => copy?.id ?? ""));
    }
    for (const app of [key, other]) await store(app, copies);
    let position: Awaited<ReturnType<typeof forgetUserMessages>> = { conversation: "" };
    const archive = archiveFor(bindings, key);
    const deleted = { applicationKey: key, userId: "bob", time: now };
    let steps = 0;
    for (; position; steps++) {
      position = await forgetUserMessages(archive, deleted, position, { conversations: 2, messages: 3 });
    }
    expect(steps).toBeGreaterThan(40);
    const { results } = await archive
      .prepare("SELECT message_id AS id, recipients, states, time FROM messages WHERE application_key = ?")
      .bind(key)
      .all<{ id: string; recipients: string; states: string; time: number }>();
    expect(results.map(({ id }) => id).sort()).toEqual(kept.sort());
    for (const { time, recipients, states } of results) {
      if (time <= now) expect(recipients + states).not.toContain("bob");
    }
    expect((await rowsOf(other)).messages).toBe(60 * 5);
    // Those of the user who came later, and only those.
    const mine = "SELECT count(*) AS n FROM conversations WHERE application_key = ? AND user_id = 'bob'";
    expect(await archive.prepare(mine).bind(key).first("n")).toBe(7);
  });
});

describe("the user", () => {
  test("is unknown, has no instance, and is not on the list", async () => {
    const app = await withUsers("alice");
    const bob = await newInstance(app, "bob");
    const peer = await Peer.connect("bob", { applicationKey: app.key, instanceId: bob.instanceId });
    expect((await remove(app, "bob")).status).toBe(204);
    expect(await peer.untilClosed()).toBe(4401);
    const ice = await request("GET", "/v1/ice-servers", { headers: bearer(bob.token) });
    expect(ice.body.errorCode).toBe(40105);
    const presence = await request("GET", "/v1/users/bob/presence", { headers: basic(app) });
    expect(presence.body.errorCode).toBe(40401);
    const { body } = await request("GET", "/v1/users", { headers: basic(app) });
    expect(body.users.map(({ userId }: { userId: string }) => userId)).toEqual(["alice"]);
    expect((await post(app, { recipients: ["bob"], text: "hi" })).body.errorCode).toBe(40401);
    expect(await rowsOf(app.key)).toEqual({ users: 1, deleted_users: 1 });
  });

  test("deleted again, never there, or by the administrator: the same", async () => {
    const app = await withUsers("bob");
    for (const name of ["bob", "bob", "nobody"]) expect((await remove(app, name)).status).toBe(204);
    const path = `/v1/admin/applications/${app.key}/users/bob`;
    expect((await request("DELETE", path, { headers: adminHeaders() })).status).toBe(204);
    expect((await remove(app, "a%20b")).body.errorCode).toBe(40001);
  });

  test("who registers again is a new one, with a new history", async () => {
    const app = await withUsers("alice", "bob");
    await post(app, { sender: "alice", recipients: ["bob", "alice"], text: "old" });
    await messagesOf(app, "userId=bob");
    await request("PUT", "/v1/users/bob/block", { headers: basic(app) });
    await remove(app, "bob");
    const bob = await newInstance(app, "bob");
    const peer = await Peer.connect("bob", { applicationKey: app.key, instanceId: bob.instanceId });
    await post(app, { sender: "alice", recipients: ["bob", "alice"], text: "new" });
    expect(await peer.incoming("new")).toMatchObject({ seq: 1 });
    expect(peer.mail).toHaveLength(1);
    await cron();
    expect(await textsOf(app, "userId=bob")).toEqual(["new"]);
    const history = await request("GET", "/v1/history?with=alice", { headers: bearer(bob.token) });
    expect(history.body.messages.map(({ text }: StoredMessage) => text)).toEqual(["new"]);
  });
});

describe("calls", () => {
  const callOf = (app: TestApplication, callerUserId: string, calleeUserId: string): CallRecord => ({
    ...{ applicationKey: app.key, callId: messageId(), callerUserId, calleeUserId, video: false },
    ...{ calleeApplicationKey: app.key, times: { started: now, ended: now }, endCause: "noAnswer" },
  });
  const measure = (app: TestApplication, { callId }: CallRecord, userId: string) =>
    writeStatistics(
      archiveFor(bindings, app.key),
      { applicationKey: app.key, userId, instanceId: crypto.randomUUID() },
      {
        callId,
        direction: "outgoing",
        endCause: "noAnswer",
        setup: { ended: 1 },
        userAgent: "",
        sdk: "test",
      },
      now,
    );
  const idsOf = async (app: TestApplication, table = "calls") => {
    const { results } = await archiveFor(bindings, app.key)
      .prepare(`SELECT call_id AS id FROM ${table} WHERE application_key = ?`)
      .bind(app.key)
      .all<{ id: string }>();
    return results.map(({ id }) => id);
  };

  test("and what the user measured go with the next runs of the cron, whatever RETENTION_DAYS says", async () => {
    const app = await withUsers("alice", "bob");
    const other = await newApplication();
    await cron();
    const calls = [callOf(app, "bob", "alice"), callOf(app, "alice", "bob"), callOf(app, "alice", "carol")];
    const foreign = { ...callOf(app, "alice", "bob"), calleeApplicationKey: other.key };
    for (const call of [...calls, foreign]) await record(call);
    for (const call of calls) for (const user of ["alice", "bob"]) await measure(app, call, user);
    await remove(app, "bob");
    await cron({ ...bindings, RETENTION_DAYS: "0" });
    expect((await idsOf(app)).sort()).toEqual([calls[2]?.callId, foreign.callId].sort());
    expect(await idsOf(app, "call_statistics")).toHaveLength(3);
  });

  test("that end after the deletion are not written", async () => {
    const app = await withUsers("bob");
    await remove(app, "bob");
    const [before, after] = [callOf(app, "alice", "bob"), callOf(app, "bob", "alice")];
    after.times = { started: Date.now() + 60_000 };
    await record(before);
    await record(after);
    expect(await idsOf(app)).toEqual([after.callId]);
  });
});

describe("the job", () => {
  test("waits for a hub that cannot be reached, and goes on by cron", async () => {
    const app = await withUsers("alice", "bob");
    await store(app.key, [copyOf()]);
    const user = { applicationKey: app.key, userId: "bob" };
    expect(await startUserDeletion(withoutHubs(), user, "test")).toBe(false);
    expect(await rowsOf(app.key)).toMatchObject({ user_deletions: 1, messages: 1, users: 1 });
    await cron(withoutHubs());
    expect(await rowsOf(app.key)).toMatchObject({ user_deletions: 1, messages: 1 });
    expect((await userHub(bindings, user).presence()).known).toBe(true);
    await cron();
    expect((await userHub(bindings, user).presence()).known).toBe(false);
    expect(await rowsOf(app.key)).toEqual({ users: 1, conversations: 1, deleted_users: 1 });
  });

  test("is not taken up by the cron while its request may be at work", async () => {
    const app = await withUsers("bob");
    const user = { applicationKey: app.key, userId: "bob" };
    await startUserDeletion(withoutHubs(), user, "test");
    await worker.scheduled({} as ScheduledController, bindings);
    expect(await rowsOf(app.key)).toMatchObject({ user_deletions: 1 });
    await cron();
    expect(await rowsOf(app.key)).toEqual({ deleted_users: 1 });
  });

  test("does in the request what it can, and the rest by cron: 202 says so", async () => {
    const app = await withUsers("bob");
    const friends = Array.from({ length: 230 }, (_, at) => `friend-${at}`);
    await store(
      app.key,
      friends.map((friend) => copyOf({ from: friend })),
    );
    const answer = await remove(app, "bob");
    expect([answer.status, answer.body]).toEqual([202, { complete: false }]);
    expect(await rowsOf(app.key)).toMatchObject({ user_deletions: 1, messages: 30 });
    await cron();
    expect(await rowsOf(app.key)).toEqual({ conversations: 230, deleted_users: 1 });
    expect((await remove(app, "bob")).status).toBe(204);
  });

  test("is carried out by the cron, wherever the request was cut off", async () => {
    const friends = Array.from({ length: 25 }, (_, at) => `friend-${at}`);
    let [asked, cutOff] = [0, 0];
    for (let failing = 1; failing <= asked + 1; failing++) {
      const user = { applicationKey: newKey(), userId: "bob" };
      const copies = friends.map((friend) => copyOf({ from: friend }));
      await store(user.applicationKey, copies);
      // The n-th question to a database gets no answer.
      asked = 0;
      const ask = () => {
        asked += 1;
        if (asked === failing) throw new Error("D1 is overloaded");
      };
      const broken = archives(bindings).map((db, at) => {
        const prepare = (sql: string) => {
          ask();
          return db.prepare(sql);
        };
        const batch = (all: D1PreparedStatement[]) => {
          ask();
          return db.batch(all);
        };
        return [at ? `DB_${at}` : "DB", { prepare, batch }];
      });
      const env = { ...bindings, ...Object.fromEntries(broken) } as Env;
      const begun = await startUserDeletion(env, user, "test").then(
        () => true,
        () => false,
      );
      cutOff += asked === failing ? 1 : 0;
      // What was not even noted is an error, and asked for once more.
      if (!begun) await startUserDeletion(bindings, user, "test");
      await cron();
      expect(await rowsOf(user.applicationKey)).toEqual({ conversations: 25, deleted_users: 1 });
    }
    expect(cutOff).toBeGreaterThan(10);
  });
});

test("an application that is deleted takes all of it along, and its hubs forget", async () => {
  const app = await withUsers("alice", "bob", "carol");
  await post(app, { sender: "alice", recipients: ["bob"], text: "hi" });
  await post(app, { recipients: ["bob"], text: "of the application" });
  await messagesOf(app, "userId=bob");
  await remove(app, "carol");
  await startUserDeletion(withoutHubs(), { applicationKey: app.key, userId: "carol" }, "test");
  expect(await rowsOf(app.key)).toMatchObject({
    messages: 2,
    conversations: 3,
    deleted_users: 1,
    user_deletions: 1,
  });
  await request("DELETE", `/v1/admin/applications/${app.key}`, { headers: adminHeaders() });
  await cron();
  await cron();
  expect(await rowsOf(app.key)).toEqual({});
  for (const userId of ["", "alice", "bob"]) {
    expect((await userHub(bindings, { applicationKey: app.key, userId }).presence()).known).toBe(false);
  }
});
