import { beforeEach, describe, expect, test } from "vitest";
import { writeCallRecord, writeStatistics } from "../../core/calls/archive";
import { forgetOldCalls } from "../../core/calls/retention";
import { writeMessages } from "../../core/messages/archive";
import { forgetOldMessages } from "../../core/messages/retention";
import worker from "../../workers/index";
import { copyOf, messageId } from "./copies";
import { bindings } from "./support";

const { DB } = bindings;
const day = 86_400_000;
const now = Date.now();
const applications = ["11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"];

const tables = ["calls", "call_statistics", "messages", "conversations", "deleted_users", "sweeps"];

beforeEach(async () => {
  for (const table of tables) await DB.prepare(`DELETE FROM ${table}`).run();
});

/** A call of so many days ago, and what its caller measured. Its id says nothing about its age. */
async function callOf(daysAgo: number, applicationKey = applications[0] ?? ""): Promise<string> {
  const callId = crypto.randomUUID();
  const started = now - daysAgo * day;
  const user = { applicationKey, userId: "alice" };
  await writeCallRecord(DB, {
    ...{ applicationKey, callId, callerUserId: "alice", calleeApplicationKey: applicationKey },
    ...{ calleeUserId: "bob", video: false, times: { started, ended: started }, endCause: "noAnswer" },
  });
  const measured = { callId, direction: "outgoing", endCause: "noAnswer", setup: { ended: 1 } } as const;
  const party = { ...user, instanceId: crypto.randomUUID() };
  await writeStatistics(DB, party, { ...measured, userAgent: "", sdk: "test" }, started);
  return callId;
}

async function left(table = "calls"): Promise<string[]> {
  const { results } = await DB.prepare(`SELECT call_id FROM ${table}`).all<{ call_id: string }>();
  return results.map(({ call_id }) => call_id).sort();
}

test("a sweep finds what is old in every application, some rows a run, and nothing else", async () => {
  const kept: string[] = [];
  for (const application of applications) {
    for (const daysAgo of [91, 0, 400, 89, 90.5]) {
      const callId = await callOf(daysAgo, application);
      if (daysAgo < 90) kept.push(callId);
    }
  }
  const run = () => forgetOldCalls(DB, now, 90, 3);
  await run();
  expect((await left()).length).toBeGreaterThanOrEqual(7);
  for (let runs = 0; runs < 3; runs++) await run();
  expect(await left()).toEqual(kept.sort());
  expect(await left("call_statistics")).toEqual(kept);
});

test("after a sweep it rests until a day after that began", async () => {
  await forgetOldCalls(DB, now, 90);
  const callId = await callOf(91);
  await forgetOldCalls(DB, now + day - 1, 90);
  expect(await left()).toEqual([callId]);
  await forgetOldCalls(DB, now + day, 90);
  expect(await left()).toEqual([]);
});

test("a run reads its part of the table only", async () => {
  const plans = [
    "SELECT 1 FROM calls WHERE (application_key, call_id) > ('', '') ORDER BY application_key, call_id",
    "DELETE FROM calls WHERE (application_key, call_id) > ('', '') AND (application_key, call_id) <= ('1', '')",
  ];
  for (const plan of plans) {
    const { results } = await DB.prepare(`EXPLAIN QUERY PLAN ${plan}`).all<{ detail: string }>();
    expect(results.map(({ detail }) => detail).join()).toMatch(/^SEARCH calls USING PRIMARY KEY [^,]*,[^,]*/);
  }
});

test.each<[string | undefined, number[]]>([
  [undefined, [89]],
  ["", [89]],
  ["7", []],
  ["400", [89, 91]],
  ["0", [89, 91, 500]],
  ["a while", [89, 91, 500]],
  ["-1", [89, 91, 500]],
])("the cron goes by RETENTION_DAYS: %j", async (RETENTION_DAYS, days) => {
  const calls = new Map<number, string>();
  for (const daysAgo of [89, 91, 500]) calls.set(daysAgo, await callOf(daysAgo));
  await worker.scheduled({} as ScheduledController, { ...bindings, RETENTION_DAYS });
  expect(await left()).toEqual(days.map((daysAgo) => calls.get(daysAgo)).sort());
});

describe("messages", () => {
  /** One of so many days ago, between alice and somebody. */
  async function messageOf(daysAgo: number, somebody = "bob", applicationKey = applications[0] ?? "") {
    const time = now - daysAgo * day;
    const copy = copyOf({ id: messageId(time), time, to: [somebody], recipient: somebody });
    await writeMessages(DB, applicationKey, [copy]);
    return copy.id;
  }
  const bury = (userId: string, daysAgo: number) =>
    DB.prepare("INSERT INTO deleted_users (application_key, user_id, time) VALUES (?, ?, ?)")
      .bind(applications[0], userId, now - daysAgo * day)
      .run();
  async function column(table: string, name: string): Promise<string[]> {
    const { results } = await DB.prepare(`SELECT ${name} AS value FROM ${table}`).all<{ value: string }>();
    return results.map(({ value }) => value).sort();
  }

  test("go after 30 days, in every application, with their texts, and nothing else goes", async () => {
    const kept: string[] = [];
    for (const application of applications) {
      for (const daysAgo of [31, 0, 300, 29.9, 30.1]) {
        const id = await messageOf(daysAgo, "bob", application);
        if (daysAgo < 30) kept.push(id);
      }
    }
    await forgetOldMessages(DB, now, 4);
    expect(await column("messages", "message_id")).toEqual(kept.sort());
  });

  test("some in a run", async () => {
    for (let at = 0; at < 25; at++) await messageOf(31 + at);
    await forgetOldMessages(DB, now, 2);
    expect(await column("messages", "message_id")).toHaveLength(5);
    await forgetOldMessages(DB, now, 2);
    expect(await column("messages", "message_id")).toEqual([]);
  });

  test("and then who took part in the conversation; a tombstone after 31 days", async () => {
    await messageOf(31, "bob");
    await messageOf(1, "carol");
    await bury("dave", 32);
    await bury("eve", 30.5);
    await forgetOldMessages(DB, now);
    expect(await column("conversations", "user_id")).toEqual(["alice", "carol"]);
    expect(await column("deleted_users", "user_id")).toEqual(["eve"]);
  });

  test.each(["", "7", "0", "400", "a while"])(
    "the cron does it whatever RETENTION_DAYS is: %j",
    async (RETENTION_DAYS) => {
      const [young] = [await messageOf(29), await messageOf(31)];
      await worker.scheduled({} as ScheduledController, { ...bindings, RETENTION_DAYS });
      expect(await column("messages", "message_id")).toEqual([young]);
    },
  );
});
