/**
 * What a call to a phone costs the people who run this, over everything that takes part, with a real
 * leg and a gateway that answers: rows written, requests to objects, queries of D1.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { CallSession } from "../../durable-objects/call-session/call-session";
import { callSession, sipDialog, userHub } from "../../durable-objects/names";
import { SipDialog } from "../../durable-objects/sip-dialog/sip-dialog";
import { Gateway } from "../../durable-objects/sip-dialog/testing/gateway";
import { answer } from "../../durable-objects/sip-dialog/testing/world";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { bindings, flowing, hangup, Peer, register, someone } from "./peer";
import { number, phoneApplication } from "./phone-world";

afterEach(() => vi.restoreAllMocks());

const rowsOf = (stub: DurableObjectStub<never>): Promise<number> =>
  runInDurableObject(stub, (_, state) =>
    Number(state.storage.sql.exec("select total_changes() as rows").one().rows),
  );

/** D1 as it is billed: statements, and what they say they have written. */
function countD1() {
  const counted = { statements: 0, rows: 0 };
  const add = (meta: D1Meta) => {
    counted.statements += 1;
    counted.rows += meta.rows_written;
  };
  const batch = bindings.DB.batch.bind(bindings.DB);
  vi.spyOn(bindings.DB, "batch").mockImplementation(async (statements) => {
    const results = await batch(statements);
    for (const { meta } of results) add(meta as D1Meta);
    return results as never;
  });
  const { prototype } = bindings.DB.prepare("select 1").constructor as { prototype: D1PreparedStatement };
  for (const name of ["all", "run"] as const) {
    const own = prototype[name];
    vi.spyOn(prototype, name).mockImplementation(async function (this: D1PreparedStatement) {
      const result = await own.call(this);
      add(result.meta as D1Meta);
      return result as never;
    });
  }
  for (const name of ["raw", "first"] as const) {
    const own = prototype[name] as (...given: never[]) => Promise<unknown>;
    vi.spyOn(prototype, name).mockImplementation(async function (
      this: D1PreparedStatement,
      ...given: never[]
    ) {
      counted.statements += 1;
      return own.apply(this, given) as never;
    } as never);
  }
  return counted;
}

it("is so many rows, requests and queries for a call that is answered and hung up", async () => {
  const application = await phoneApplication(1_000_000);
  const name = someone("alice");
  const instanceId = await register(name, application.key);
  const alice = await Peer.connect(name, { instanceId, applicationKey: application.key });
  const gateway = new Gateway();
  vi.spyOn(globalThis, "fetch").mockImplementation(gateway.fetch as typeof fetch);
  gateway.credentials = { user: "carillon", password: "secret" };
  gateway.script = (request) => {
    if (request.method !== "INVITE") return false;
    gateway.reply(request, 100);
    gateway.reply(request, 180);
    gateway.reply(request, 200, { body: answer });
    return true;
  };
  const hub = userHub(bindings, alice.user);
  const before = await rowsOf(hub as never);
  const frames = vi.spyOn(UserHub.prototype, "webSocketMessage");
  const requests = {
    ...{
      deliver: vi.spyOn(UserHub.prototype, "deliver"),
      operate: vi.spyOn(CallSession.prototype, "operate"),
    },
    ...{ line: vi.spyOn(CallSession.prototype, "line"), isOn: vi.spyOn(CallSession.prototype, "isOn") },
    ...{ dial: vi.spyOn(SipDialog.prototype, "dial"), toLeg: vi.spyOn(SipDialog.prototype, "deliver") },
    ...{ alarm: vi.spyOn(CallSession.prototype, "alarm"), legAlarm: vi.spyOn(SipDialog.prototype, "alarm") },
    iceServers: vi.spyOn(UserHub.prototype, "iceServers"),
  };
  const d1 = countD1();

  const { callId, answered } = alice.start(number, { line: "phone" });
  await answered;
  await alice.event("answered", callId);
  await alice.call(callId, flowing);
  await alice.event("established", callId);
  const leg = sipDialog(bindings, application.key, callId);
  const session = callSession(bindings, application.key, callId);
  let legRows = await rowsOf(leg as never);
  await alice.call(callId, hangup);
  await vi.waitFor(() => expect(gateway.all("BYE")).toHaveLength(1));
  // The reservation, the charge, and the record.
  await expect.poll(() => d1.rows).toBe(10);
  const left = () => runInDurableObject(leg, (_, state) => [...state.storage.kv.list()].length);
  await expect.poll(left).toBe(0);
  // What the leg writes at its end: that it is over, and that it is forgotten.
  legRows += 2;
  let sessionRows = 0;
  for (let ring = 0; ring < 10; ring++) {
    await runInDurableObject(session, (object) => {
      const { clock } = object;
      object.clock = () => clock() + 30_000;
    });
    sessionRows = Math.max(sessionRows, await rowsOf(session as never));
    if (!(await runDurableObjectAlarm(session))) break;
  }
  expect(await runInDurableObject(session, (_, state) => [...state.storage.kv.list()].length)).toBe(0);
  expect(gateway.wrong).toEqual([]);
  const hubRows = (await rowsOf(hub as never)) - before;
  const counts = Object.entries(requests).map(([what, spy]) => [what, spy.mock.calls.length] as const);
  const calls = counts.reduce((sum, [, count]) => sum + count, 0);
  const rows = hubRows + sessionRows + legRows + d1.rows + 1;
  console.info(
    `cost of a call to a phone: ${calls} RPC and alarms (${counts.map((each) => each.join(" ")).join(", ")}) + ` +
      `${frames.mock.calls.length} socket frames; ${rows} rows (session ${sessionRows}, leg ${legRows}, ` +
      `hub ${hubRows}, D1 ${d1.rows}, forgetting 1); ${d1.statements} statements of D1`,
  );
  expect(calls).toBeGreaterThan(8);
  expect(calls + frames.mock.calls.length).toBeLessThanOrEqual(25);
  expect(rows).toBeLessThanOrEqual(32);
  expect(d1.statements).toBeLessThanOrEqual(19);
});
