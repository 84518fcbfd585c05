/**
 * What a call costs the people who run this, from its start until it is forgotten: rows written and
 * requests to objects, counted over everything that takes part. The bounds are promises, since
 * Cloudflare bills by these two.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { CallSession } from "../../durable-objects/call-session/call-session";
import { callSession, userHub } from "../../durable-objects/names";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import type { CallOperation, CallStatistics } from "../../protocol";
import { bearer, newApplication, newInstance, request } from "../edge/support";
import { answer, bindings, flowing, hangup, Peer, ringing } from "./peer";

afterEach(() => vi.restoreAllMocks());

const rpc = {
  hub: ["ring", "deliver", "iceServers", "presence", "check"],
  session: ["operate", "sync", "acknowledge", "away", "gone", "knows"],
} as const;

/** Rows that an object's storage has written since it woke up; alarms are rows too. */
const rowsOf = (stub: DurableObjectStub<UserHub> | DurableObjectStub<CallSession>): Promise<number> =>
  runInDurableObject(stub as DurableObjectStub<UserHub>, (_, state) =>
    Number(state.storage.sql.exec("select total_changes() as rows").one().rows),
  );

it("is at most 25 requests and 15 rows for a call that is answered and hung up", async () => {
  const application = await newApplication();
  const users = [await newInstance(application, "alice"), await newInstance(application, "bob")] as const;
  const connect = ({ userId, instanceId }: (typeof users)[number]) =>
    Peer.connect(userId, { instanceId, applicationKey: application.key });
  const [alice, bob] = [await connect(users[0]), await connect(users[1])];
  const hubs = [userHub(bindings, alice.user), userHub(bindings, bob.user)];
  const before = await Promise.all(hubs.map(rowsOf));
  const frames = vi.spyOn(UserHub.prototype, "webSocketMessage");
  const requests = [
    ...rpc.hub.map((name) => vi.spyOn(UserHub.prototype, name)),
    ...rpc.session.map((name) => vi.spyOn(CallSession.prototype, name)),
    vi.spyOn(CallSession.prototype, "alarm"),
  ];

  // As two browsers do it: the callee's candidates travel with its answer.
  const { callId, answered } = alice.start("bob");
  await answered;
  const candidates: CallOperation = { op: "candidates", candidates: [{ candidate: "candidate:1" }] };
  await bob.event("incoming", callId);
  await bob.call(callId, ringing);
  await alice.call(callId, candidates);
  await bob.event("candidates", callId);
  await bob.call(callId, answer);
  await alice.event("answered", callId);
  await alice.call(callId, flowing);
  await bob.call(callId, flowing);
  await alice.event("established", callId);
  await alice.call(callId, hangup);
  await bob.event("ended", callId);

  let archiveRows = 0;
  const inArchive = (table: string) =>
    bindings.DB.prepare(`select count(*) as n from ${table} where call_id = ?`)
      .bind(callId)
      .first<number>("n");
  await expect.poll(() => inArchive("calls")).toBe(1);
  for (const { token } of users) {
    const body: Partial<CallStatistics> = {
      callId,
      direction: token === users[0].token ? "outgoing" : "incoming",
      endCause: "hungUp",
      setup: { ended: 1_000 },
      userAgent: "test",
      sdk: "test",
    };
    const stored = await request("POST", "/v1/statistics", { body, headers: bearer(token) });
    expect(stored.status, stored.text).toBeLessThan(300);
  }
  archiveRows = ((await inArchive("calls")) ?? 0) + ((await inArchive("call_statistics")) ?? 0);

  // Left alone until nothing is set any more: the alarm of the answer, then the one that forgets.
  const session = callSession(bindings, application.key, callId);
  let sessionRows = 0;
  for (let ring = 0; ring < 10; ring++) {
    await runInDurableObject(session, (object) => {
      const { clock } = object;
      object.clock = () => clock() + 30_000;
    });
    // Forgetting empties the storage, and its count.
    sessionRows = Math.max(sessionRows, await rowsOf(session));
    if (!(await runDurableObjectAlarm(session))) break;
  }
  expect(await runInDurableObject(session, (_, state) => [...state.storage.kv.list()].length)).toBe(0);

  const after = await Promise.all(hubs.map(rowsOf));
  const hubRows = after.reduce((sum, rows, at) => sum + rows - (before[at] ?? 0), 0);
  // A ring delivers within the hub: no request of its own.
  const rings = requests[0]?.mock.calls.length ?? 0;
  const calls = requests.reduce((sum, spy) => sum + spy.mock.calls.length, 0) - rings;
  const heard = frames.mock.calls.length;
  // A delete is a row written too: the session's one value.
  const forgetRows = 1;
  const rows = hubRows + sessionRows + archiveRows + forgetRows;
  console.info(
    `cost of a call: ${calls} RPC and alarms + ${heard} socket frames = ${calls + heard} object requests ` +
      `(billed as ${(calls + heard / 20).toFixed(1)}); ` +
      `${rows} rows (session ${sessionRows}, hubs ${hubRows}, archive ${archiveRows}, forgetting ${forgetRows})`,
  );
  expect(archiveRows).toBe(3);
  expect(calls).toBeGreaterThan(10);
  expect(calls + heard).toBeLessThanOrEqual(25);
  expect(rows).toBeLessThanOrEqual(15);
});
