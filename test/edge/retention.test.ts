import { beforeEach, expect, test } from "vitest";
import { writeCallRecord, writeStatistics } from "../../core/calls/archive";
import { forgetOldCalls } from "../../core/calls/retention";
import worker from "../../workers/index";
import { bindings } from "./support";

const { DB } = bindings;
const day = 86_400_000;
const now = Date.now();
const applications = ["11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"];

beforeEach(async () => {
  for (const table of ["calls", "call_statistics", "sweeps"]) await DB.prepare(`DELETE FROM ${table}`).run();
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
