/**
 * What a call costs the people who run this: rows written and requests to objects, counted over
 * everything that takes part. The bounds are promises, since Cloudflare bills by these two.
 */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { CallSession } from "../../durable-objects/call-session/call-session";
import { callSession, userHub } from "../../durable-objects/names";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import type { CallOperation } from "../../protocol";
import { answer, application, bindings, flowing, hangup, Peer, ringing, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

const rpc = {
  hub: ["ring", "deliver", "iceServers", "presence", "check"],
  session: ["operate", "sync", "acknowledge", "away", "gone"],
} as const;

/** Rows that an object's storage has written since it woke up; alarms are rows too. */
const rowsOf = (stub: DurableObjectStub<UserHub> | DurableObjectStub<CallSession>): Promise<number> =>
  runInDurableObject(stub as DurableObjectStub<UserHub>, (_, state) =>
    Number(state.storage.sql.exec("select total_changes() as rows").one().rows),
  );

it("is at most 25 requests and 15 rows for a call that is answered and hung up", async () => {
  const alice = await Peer.connect(someone("alice"));
  const bob = await Peer.connect(someone("bob"));
  const hubs = [userHub(bindings, alice.user), userHub(bindings, bob.user)];
  const before = await Promise.all(hubs.map(rowsOf));
  const spies = [
    ...rpc.hub.map((name) => vi.spyOn(UserHub.prototype, name)),
    ...rpc.session.map((name) => vi.spyOn(CallSession.prototype, name)),
    vi.spyOn(UserHub.prototype, "webSocketMessage"),
    vi.spyOn(CallSession.prototype, "alarm"),
  ];

  const { callId, answered } = alice.start(bob.user.userId);
  await answered;
  const candidates: CallOperation = { op: "candidates", candidates: [{ candidate: "candidate:1" }] };
  await bob.event("incoming", callId);
  await bob.call(callId, ringing);
  await alice.call(callId, candidates);
  await bob.event("candidates", callId);
  await bob.call(callId, answer);
  await alice.event("answered", callId);
  await bob.call(callId, candidates);
  await alice.call(callId, flowing);
  await bob.call(callId, flowing);
  await alice.event("established", callId);
  await alice.call(callId, hangup);
  await bob.event("ended", callId);

  const counts = new Map(spies.map((spy) => [spy.getMockName(), spy.mock.calls.length]));
  const frames = counts.get("webSocketMessage") ?? 0;
  const calls = [...counts.values()].reduce((sum, count) => sum + count, 0) - frames;
  const session = callSession(bindings, application, callId);
  const after = await Promise.all(hubs.map(rowsOf));
  const hubRows = after.reduce((sum, rows, at) => sum + rows - (before[at] ?? 0), 0);
  const sessionRows = await rowsOf(session);
  await expect
    .poll(() =>
      bindings.DB.prepare("select count(*) as n from calls where call_id = ?").bind(callId).first("n"),
    )
    .toBe(1);
  // The call's record and one of statistics from each side: tables without an index of their own.
  const archiveRows = 3;
  const forgetRows = 1;
  const rows = hubRows + sessionRows + archiveRows + forgetRows;
  console.info(
    `cost of a call: ${calls} RPC + ${frames} socket frames (billed as ${(frames / 20).toFixed(1)}) = ${calls + frames} object requests; ` +
      `${rows} rows (session ${sessionRows}, hubs ${hubRows}, archive ${archiveRows}, forgetting ${forgetRows})`,
  );
  expect(calls).toBeGreaterThan(5);
  expect(calls + frames).toBeLessThanOrEqual(25);
  expect(rows).toBeLessThanOrEqual(15);
});
