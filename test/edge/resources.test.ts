import { describe, expect, test, vi } from "vitest";
import { type CallRecord, writeCallRecord } from "../../core/calls/archive";
import type { CallStatistics } from "../../protocol";
import worker from "../../workers/index";
import { Peer } from "../integration/peer";
import {
  adminHeaders,
  basic,
  bearer,
  bindings,
  fetchWorker,
  isErrorBody,
  newApplication,
  newInstance,
  request,
  signed,
  type TestApplication,
  type TestInstance,
  unique,
} from "./support";

const started = 1_763_640_000_000;

const callIdOf = (n: number) => `019aa000-0000-7000-8000-${String(n).padStart(12, "0")}`;

function record(app: TestApplication, n: number, caller: string, callee: string): CallRecord {
  return {
    applicationKey: app.key,
    callId: callIdOf(n),
    callerUserId: caller,
    calleeApplicationKey: app.key,
    calleeUserId: callee,
    video: false,
    times: { started, established: started + 1_000, ended: started + 5_000 },
    endCause: "hungUp",
  };
}

const measured = (callId: string, more: Partial<CallStatistics> = {}): CallStatistics => ({
  callId,
  direction: "outgoing",
  endCause: "hungUp",
  setup: { established: 700, ended: 5_000 },
  mos: 4.3,
  userAgent: "test",
  sdk: "test/1",
  ...more,
});

const get = (app: TestApplication, path: string) => request("GET", path, { headers: basic(app) });

describe("users", () => {
  test("are listed in pages, with percent-encoded ids read once", async () => {
    const app = await newApplication();
    const names = ["a", "a%2Fb", "a..b", "b/c", "~!@#$"];
    for (const name of names) await newInstance(app, name);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query: string = cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const { body } = await get(app, `/v1/users?limit=2${query}`);
      seen.push(...body.users.map((user: { userId: string }) => user.userId));
      cursor = body.cursor;
    } while (cursor !== undefined);
    expect(seen.sort()).toEqual(names.sort());
    for (const name of names) {
      const path = `/v1/users/${encodeURIComponent(name)}/presence`;
      expect((await get(app, path)).body).toEqual({ online: false, lastSeen: null });
      expect((await request("GET", path, { headers: await signed(app, "GET", path) })).status).toBe(200);
    }
  });

  test("a block shows in the list, also of a user who never came", async () => {
    const app = await newApplication();
    await request("PUT", "/v1/users/nobody/block", { headers: basic(app) });
    const { body } = await get(app, "/v1/users");
    expect(body.users).toMatchObject([{ userId: "nobody", blocked: true }]);
  });

  test.each([
    ["/v1/users?limit=0"],
    ["/v1/users?limit=201"],
    ["/v1/users?limit=x"],
    ["/v1/users?cursor=%20"],
  ])("%s: 40001", async (path) => {
    const { status, body } = await get(await newApplication(), path);
    expect([status, body.errorCode]).toEqual([400, 40001]);
  });

  test("a user who never came is unknown; what is no user id is malformed", async () => {
    const app = await newApplication();
    expect((await get(app, "/v1/users/nobody/presence")).body.errorCode).toBe(40401);
    expect((await get(app, `/v1/users/${"x".repeat(41)}/presence`)).body.errorCode).toBe(40001);
    expect((await get(app, "/v1/users/a%20b/presence")).body.errorCode).toBe(40001);
  });
});

describe("calls", () => {
  test("are listed newest first, in pages, of one user or of all, and of no other application", async () => {
    const [app, other] = [await newApplication(), await newApplication()];
    for (let n = 1; n <= 5; n++)
      await writeCallRecord(bindings.DB, record(app, n, n % 2 ? "alice" : "carol", "bob"));
    await writeCallRecord(bindings.DB, record(other, 9, "alice", "bob"));
    const ids = async (query: string) => {
      const { body } = await get(app, `/v1/calls${query}`);
      return { ids: body.calls.map((call: CallRecord) => call.callId), cursor: body.cursor };
    };
    const first = await ids("?limit=3");
    expect(first).toEqual({ ids: [5, 4, 3].map(callIdOf), cursor: callIdOf(3) });
    expect(await ids(`?limit=3&cursor=${first.cursor}`)).toEqual({ ids: [2, 1].map(callIdOf) });
    expect((await ids("?userId=alice")).ids).toEqual([5, 3, 1].map(callIdOf));
    expect((await ids("?userId=bob")).ids).toHaveLength(5);
    expect((await get(app, `/v1/calls/${callIdOf(9)}`)).body.errorCode).toBe(40400);
    expect((await get(app, "/v1/calls/x")).body.errorCode).toBe(40400);
  });

  test("a record that is written again stays as it was, with its duration", async () => {
    const app = await newApplication();
    await writeCallRecord(bindings.DB, record(app, 1, "alice", "bob"));
    await writeCallRecord(bindings.DB, { ...record(app, 1, "mallory", "bob"), endCause: "failure" });
    const { body } = await get(app, `/v1/calls/${callIdOf(1)}`);
    expect(body).toMatchObject({
      callerUserId: "alice",
      endCause: "hungUp",
      duration: 4_000,
      statistics: [],
    });
  });

  test("a callee of another application is not mistaken for a user of the same name", async () => {
    const [app, other] = [await newApplication(), await newApplication()];
    await writeCallRecord(bindings.DB, {
      ...record(app, 1, "alice", "bob"),
      calleeApplicationKey: other.key,
    });
    expect((await get(app, "/v1/calls?userId=bob")).body.calls).toEqual([]);
    expect((await get(other, "/v1/calls")).body.calls).toEqual([]);
  });
});

describe("statistics", () => {
  const send = (from: TestInstance, body: unknown) =>
    request("POST", "/v1/statistics", { body, headers: bearer(from.token) });

  test("of each party show with the call; the last word of an instance counts", async () => {
    const app = await newApplication();
    const [alice, bob] = [await newInstance(app, "alice"), await newInstance(app, "bob")];
    await writeCallRecord(bindings.DB, record(app, 1, "alice", "bob"));
    expect((await send(alice, measured(callIdOf(1), { mos: 2 }))).status).toBe(204);
    expect((await send(alice, measured(callIdOf(1)))).status).toBe(204);
    expect((await send(bob, measured(callIdOf(1), { direction: "incoming" }))).status).toBe(204);
    const { body } = await get(app, `/v1/calls/${callIdOf(1)}`);
    expect(body.statistics).toHaveLength(2);
    expect(body.statistics).toContainEqual({
      applicationKey: app.key,
      userId: "alice",
      instanceId: alice.instanceId,
      statistics: measured(callIdOf(1)),
    });
  });

  test("only a party may write", async () => {
    const app = await newApplication();
    const mallory = await newInstance(app, "mallory");
    await writeCallRecord(bindings.DB, record(app, 1, "alice", "bob"));
    expect((await send(mallory, measured(callIdOf(1)))).body.errorCode).toBe(40400);
  });

  test("of a call that never was are not stored", async () => {
    const app = await newApplication();
    const eve = await newInstance(app, "eve");
    expect((await send(eve, measured(crypto.randomUUID()))).body.errorCode).toBe(40400);
    const select = "SELECT 1 FROM call_statistics WHERE application_key = ?";
    expect((await bindings.DB.prepare(select).bind(app.key).all()).results).toEqual([]);
  });

  test("of a call without a record yet: of those whom its session knows", async () => {
    const app = await newApplication();
    const [alice, bob, eve] = [
      await newInstance(app, "alice"),
      await newInstance(app, "bob"),
      await newInstance(app, "eve"),
    ];
    const connect = ({ userId, instanceId }: TestInstance) =>
      Peer.connect(userId, { instanceId, applicationKey: app.key });
    await connect(bob);
    const { callId, answered } = (await connect(alice)).start("bob");
    await answered;
    expect((await get(app, `/v1/calls/${callId}`)).status).toBe(404);
    for (const party of [alice, bob]) expect((await send(party, measured(callId))).status).toBe(204);
    expect((await send(eve, measured(callId))).body.errorCode).toBe(40400);
  });

  test("of a call of another application: when the account lets them call each other", async () => {
    const account = unique("account");
    const [app, other] = [await newApplication(account), await newApplication(account)];
    const bob = await newInstance(other, "bob");
    await writeCallRecord(bindings.DB, {
      ...record(app, 1, "alice", "bob"),
      calleeApplicationKey: other.key,
    });
    const sent = async () => (await send(bob, measured(callIdOf(1), { origin: app.key }))).status;
    expect(await sent()).toBe(404);
    const path = `/v1/admin/accounts/${account}`;
    const patch = { body: { allowCrossApplication: true }, headers: adminHeaders() };
    expect((await request("PATCH", path, patch)).status).toBe(204);
    expect(await sent()).toBe(204);
    expect((await get(app, `/v1/calls/${callIdOf(1)}`)).body.statistics).toHaveLength(1);
    expect((await get(other, `/v1/calls/${callIdOf(1)}`)).status).toBe(404);
  });

  test.each<[string, object]>([
    ["callId", { callId: "x" }],
    ["direction", { direction: "sideways" }],
    ["endCause", { endCause: "bored" }],
    ["mos", { mos: 6 }],
    ["lossRatio", { lossRatio: 1.1 }],
    ["roundTripMs", { roundTripMs: -1 }],
    ["roundTripMs", { roundTripMs: 1e9 }],
    ["jitterMs", { jitterMs: "1" }],
    ["setup.ended", { setup: {} }],
    ["setup.ringing", { setup: { ended: 1, ringing: -1 } }],
    ["userAgent", { userAgent: "x".repeat(513) }],
    ["errorCode", { errorCode: 1.5 }],
  ])("%s has to be right: %j", async (field, change) => {
    const from = await newInstance(await newApplication(), "alice");
    const { status, body } = await send(from, { ...measured(callIdOf(1)), ...change });
    expect([status, body.errorCode]).toEqual([400, 40001]);
    expect(body.detail).toContain(`${field}: `);
  });
});

describe("applications", () => {
  const admin = (method: string, path: string, body?: unknown) =>
    request(method, `/v1/admin/${path}`, { body, headers: adminHeaders() });

  test("a new one has a GUID and 16 random bytes, and is listed without its secret", async () => {
    const { status, body } = await admin("POST", "applications", { name: "My app" });
    expect(status).toBe(201);
    expect(body.applicationKey).toMatch(/^[0-9a-f-]{36}$/);
    expect(atob(body.applicationSecret)).toHaveLength(16);
    expect(body.accountId).toBe("default");
    const list = await admin("GET", "applications?limit=200");
    expect(list.body.applications).toContainEqual({
      applicationKey: body.applicationKey,
      accountId: "default",
      name: "My app",
      created: expect.any(Number),
      secrets: [{ id: body.secretId, created: expect.any(Number) }],
    });
  });

  test("a deleted one is gone with all that was its own", async () => {
    const app = await newApplication();
    await newInstance(app, "alice");
    await writeCallRecord(bindings.DB, record(app, 1, "alice", "bob"));
    expect((await admin("DELETE", `applications/${app.key}`)).status).toBe(204);
    expect((await admin("DELETE", `applications/${app.key}`)).body.errorCode).toBe(40400);
    expect((await get(app, "/v1/users")).body.errorCode).toBe(40100);
    // The cron finds nothing left to delete, and is done.
    const controller = { cron: "", scheduledTime: 0, noRetry() {} } as unknown as ScheduledController;
    await worker.scheduled(controller, bindings);
    for (const table of ["users", "calls", "application_secrets", "revocations"]) {
      const { results } = await bindings.DB.prepare(`SELECT 1 FROM ${table} WHERE application_key = ?`)
        .bind(app.key)
        .all();
      expect([table, results]).toEqual([table, []]);
    }
  });

  test("the cron forgets signatures that are too old to come again", async () => {
    const insert = "INSERT INTO used_signatures (application_key, signature, expires) VALUES ('k', ?, ?)";
    await bindings.DB.prepare(insert).bind("old", 1).run();
    await bindings.DB.prepare(insert)
      .bind("new", Date.now() + 60_000)
      .run();
    await worker.scheduled({} as ScheduledController, bindings);
    const { results } = await bindings.DB.prepare(
      "SELECT signature FROM used_signatures WHERE application_key = 'k'",
    ).all();
    expect(results).toEqual([{ signature: "new" }]);
  });

  test.each([
    ["POST", "applications", {}],
    ["POST", "applications", { name: "" }],
    ["POST", "applications", { name: "x".repeat(101) }],
    ["POST", "applications", { name: "x", account: "a b" }],
    ["GET", "applications?cursor=x", undefined],
    ["PATCH", "accounts/default", {}],
  ])("%s %s %j: 40001", async (method, path, body) => {
    expect((await admin(method, path, body)).body.errorCode).toBe(40001);
  });

  test("a token can be made for 60 seconds to a day", async () => {
    const app = await newApplication();
    const make = (ttlSeconds: unknown) =>
      admin("POST", `applications/${app.key}/users/alice/token`, { ttlSeconds });
    expect((await make(59)).status).toBe(400);
    expect((await make(86_401)).status).toBe(400);
    expect((await make(86_400)).status).toBe(201);
  });
});

describe("the rest", () => {
  test("health tells version and database", async () => {
    const { status, body } = await request("GET", "/health");
    expect(status).toBe(200);
    expect(body).toMatchObject({ status: "ok", environment: "local", checks: { database: "ok" } });
    expect(Math.abs(Date.parse(body.time) - Date.now())).toBeLessThan(10_000);
  });

  test("health asks the database once a second, and says when it does not answer", async () => {
    const all = vi.fn(async () => Promise.reject(new Error("D1 is overloaded")));
    const env = { ...bindings, DB: { prepare: () => ({ all }) } as unknown as D1Database };
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    const ask = () => worker.fetch(new Request("https://carillon.test/health"), env, context);
    for (let times = 0; times < 3; times++) {
      const answer = await ask();
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ status: "degraded", checks: { database: "failed" } });
    }
    expect(all).toHaveBeenCalledTimes(1);
  });

  test("an unknown path below /v1 is a JSON 404 with a reference", async () => {
    for (const path of ["/v1", "/v1/", "/v1/nothing", "/v1/instances/x/y"]) {
      const { status, body, headers } = await request("GET", path);
      expect([path, status, body.errorCode]).toEqual([path, 404, 40400]);
      expect(isErrorBody(body)).toBe(true);
      if (path !== "/v1") expect(headers.get("x-reference")).toBe(body.reference);
    }
  });

  test("any page may ask, without cookies", async () => {
    const preflight = await fetchWorker("/v1/instances", {
      method: "OPTIONS",
      headers: {
        origin: "https://app.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
    expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
    expect(preflight.headers.get("access-control-allow-credentials")).toBeNull();
    const refused = await request("POST", "/v1/instances", {
      body: "x",
      headers: { origin: "https://app.example" },
    });
    expect(refused.headers.get("access-control-allow-origin")).toBe("*");
    expect(refused.headers.get("access-control-expose-headers")).toContain("x-reference");
  });

  test("an exception is a 50000 with a reference, and tells nothing of itself", async () => {
    const broken = { ...bindings, MASTER_KEY: "c2hvcnQ=" };
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    const answer = await worker.fetch(
      new Request("https://carillon.test/v1/ice-servers", { headers: bearer("x") }),
      broken,
      context,
    );
    const body = await answer.json();
    expect(answer.status).toBe(500);
    expect(isErrorBody(body)).toBe(true);
    expect(JSON.stringify(body)).not.toMatch(/MASTER|at |Error/);
  });
});
