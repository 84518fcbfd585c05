/** The archive spread over two databases: what an application has is in the one that its key says. */
import { expect, test } from "vitest";
import { writeCallRecord } from "../../core/calls/archive";
import { archiveFor, archives } from "../../core/db/database";
import { writeMessages } from "../../core/messages/archive";
import worker from "../../workers/index";
import { copyOf, day, messageId, now } from "./copies";
import {
  adminHeaders,
  basic,
  bindings,
  newApplication,
  newInstance,
  request,
  type TestApplication,
} from "./support";

const databases = archives(bindings);
const tables = ["messages", "conversations", "deleted_users", "calls"];

/** An application for each of the databases. */
async function oneInEach(): Promise<TestApplication[]> {
  const found = new Map<D1Database, TestApplication>();
  while (found.size < databases.length) {
    const app = await newApplication();
    found.set(archiveFor(bindings, app.key), app);
  }
  return databases.map((db) => found.get(db) as TestApplication);
}

/** For each database, which of the tables have something of the application. */
function whereIs({ key }: TestApplication): Promise<string[][]> {
  return Promise.all(
    databases.map(async (db) => {
      const has = async (table: string) =>
        (await db.prepare(`SELECT 1 FROM ${table} WHERE application_key = ?`).bind(key).first()) !== null;
      const there = await Promise.all(tables.map(has));
      return tables.filter((_, at) => there[at]);
    }),
  );
}

const cron = () => worker.scheduled({} as ScheduledController, bindings);

test("there are two", () => {
  expect(databases).toHaveLength(2);
});

test("messages, their history, and the deletion of a user and of an application", async () => {
  const apps = await oneInEach();
  for (const [at, app] of apps.entries()) {
    const get = async (query: string) =>
      (await request("GET", `/v1/messages?${query}`, { headers: basic(app) })).body.messages;
    const only = (...some: string[]) => databases.map((_, other) => (other === at ? some : []));
    for (const name of ["alice", "bob"]) await newInstance(app, name);
    const message = { sender: "alice", recipients: ["bob"], text: "hi" };
    const sent = await request("POST", "/v1/messages", { body: message, headers: basic(app) });
    expect(await get("participants=alice&participants=bob")).toMatchObject([{ id: sent.body.messageId }]);
    expect(await get("userId=alice")).toHaveLength(1);
    expect(await whereIs(app)).toEqual(only("messages", "conversations"));
    expect((await request("DELETE", "/v1/users/bob", { headers: basic(app) })).status).toBe(204);
    expect(await whereIs(app)).toEqual(only("conversations", "deleted_users"));
    await request("DELETE", `/v1/admin/applications/${app.key}`, { headers: adminHeaders() });
  }
  await cron();
  await cron();
  for (const app of apps) expect(await whereIs(app)).toEqual([[], []]);
});

test("retention, in all of them", async () => {
  const apps = await oneInEach();
  for (const { key } of apps) {
    const db = archiveFor(bindings, key);
    const time = now - 31 * day;
    await writeMessages(db, key, [copyOf({ id: messageId(time), time })]);
    await writeCallRecord(db, {
      ...{ applicationKey: key, callId: messageId(), callerUserId: "alice", calleeApplicationKey: key },
      ...{ calleeUserId: "bob", video: false, times: { started: now - 91 * day }, endCause: "noAnswer" },
    });
  }
  // Each sweep begins again a day after the last one.
  for (const db of databases) await db.prepare("DELETE FROM sweeps").run();
  await cron();
  for (const app of apps) expect(await whereIs(app)).toEqual([[], []]);
});
