/** Records of calls with conferences: the id of a conference may be that of a user, and is never taken for it. */
import { expect, test } from "vitest";
import { type CallRecord, writeCallRecord } from "../../core/calls/archive";
import { archiveFor } from "../../core/db/database";
import worker from "../../workers/index";
import {
  basic,
  bearer,
  bindings,
  newApplication,
  newInstance,
  request,
  type TestApplication,
  type TestInstance,
} from "./support";

const now = Date.now();

/** A call of alice's with the conference “bob”, one of this conference's with alice, and one with the user bob. */
function callsOf(app: TestApplication) {
  const record = (
    callerUserId: string,
    calleeUserId: string,
    lines: Partial<CallRecord> = {},
  ): CallRecord => ({
    ...{ applicationKey: app.key, callId: crypto.randomUUID(), callerUserId, calleeUserId, video: false },
    ...{ calleeApplicationKey: app.key, times: { started: now, ended: now }, endCause: "hungUp", ...lines },
  });
  return {
    joined: record("alice", "bob", { line: "conference" }),
    calledIn: record("bob", "alice", { callerLine: "conference" }),
    ordinary: record("alice", "bob"),
  };
}

const write = (call: CallRecord) => writeCallRecord(archiveFor(bindings, call.applicationKey), call);

async function withRecords() {
  const app = await newApplication();
  const calls = callsOf(app);
  for (const call of Object.values(calls)) await write(call);
  return { app, ...calls };
}

async function idsOf(app: TestApplication, query = ""): Promise<string[]> {
  const { body } = await request("GET", `/v1/calls${query}`, { headers: basic(app) });
  return body.calls.map(({ callId }: CallRecord) => callId).sort();
}

const idsIn = (...calls: CallRecord[]) => calls.map(({ callId }) => callId).sort();

test("show what each side is", async () => {
  const { app, joined, calledIn, ordinary } = await withRecords();
  const linesOf = async ({ callId }: CallRecord) => {
    const { callerLine, line } = (await request("GET", `/v1/calls/${callId}`, { headers: basic(app) })).body;
    return [callerLine, line];
  };
  expect(await linesOf(joined)).toEqual([null, "conference"]);
  expect(await linesOf(calledIn)).toEqual(["conference", null]);
  expect(await linesOf(ordinary)).toEqual([null, null]);
});

test("are not listed as calls of the user who has the conference's id", async () => {
  const { app, joined, calledIn, ordinary } = await withRecords();
  expect(await idsOf(app, "?userId=bob")).toEqual(idsIn(ordinary));
  expect(await idsOf(app, "?userId=alice")).toEqual(idsIn(joined, calledIn, ordinary));
});

test("stay when the user who has the conference's id is deleted, and go with their own user", async () => {
  const { app, joined, calledIn, ordinary } = await withRecords();
  const remove = (userId: string) => request("DELETE", `/v1/users/${userId}`, { headers: basic(app) });
  // What a sweep that rests since a former test would leave.
  const cron = () => worker.scheduled({} as ScheduledController, { ...bindings, RETENTION_DAYS: "0" });
  await cron();
  await remove("bob");
  await cron();
  expect(await idsOf(app)).toEqual(idsIn(joined, calledIn));
  // Nor is what ends late left out.
  for (const call of [joined, calledIn, ordinary]) await write({ ...call, callId: crypto.randomUUID() });
  expect(await idsOf(app)).toHaveLength(4);
  await remove("alice");
  await cron();
  expect(await idsOf(app)).toEqual([]);
  for (const call of [joined, calledIn]) await write({ ...call, callId: crypto.randomUUID() });
  expect(await idsOf(app)).toEqual([]);
});

test("take no measurements of the user who has the conference's id", async () => {
  const { app, joined, calledIn, ordinary } = await withRecords();
  const [alice, bob] = [await newInstance(app, "alice"), await newInstance(app, "bob")];
  const send = async (from: TestInstance, { callId }: CallRecord) => {
    const measured = { callId, direction: "outgoing", endCause: "hungUp", setup: { ended: 1 } };
    const body = { ...measured, userAgent: "", sdk: "test" };
    return (await request("POST", "/v1/statistics", { body, headers: bearer(from.token) })).status;
  };
  for (const call of [joined, calledIn, ordinary]) expect(await send(alice, call)).toBe(204);
  expect(await Promise.all([joined, calledIn, ordinary].map((call) => send(bob, call)))).toEqual([
    404, 404, 204,
  ]);
});
