import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { deleteApplication, rotateSecret } from "../../core/applications/applications";
import type { Store } from "../../core/applications/store";
import { noteUser } from "../../core/applications/users";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import { storeOf } from "../../workers/context";
import worker from "../../workers/index";
import { continueRevocation, continueRevocations } from "../../workers/revocation";
import { adminHeaders, base, bearer, bindings, newApplication, newInstance, request } from "./support";

const names = ["a", "b", "c", "d", "e"];

async function applicationWithUsers() {
  const app = await newApplication();
  for (const name of names) await newInstance(app, name);
  return app;
}

/** A deployment where the hubs of these users cannot be reached. */
function without(...users: string[]): Env {
  const { USER_HUB } = bindings;
  const reached = {
    get: USER_HUB.get.bind(USER_HUB),
    idFromName(name: string) {
      if (users.some((user) => name.endsWith(`/${user}`))) throw new Error("it is being reset");
      return USER_HUB.idFromName(name);
    },
  };
  return { ...bindings, USER_HUB: reached as unknown as Env["USER_HUB"] };
}

const revokeAll = (key: string) =>
  rotateSecret(later(bindings), key, { keepOld: true, revokeInstances: true });

/** The database, but it fails for whoever reads this table. */
function withoutTable(table: string): D1Database {
  const { DB } = bindings;
  return {
    batch: DB.batch.bind(DB),
    prepare(query: string) {
      if (query.startsWith("select") && query.includes(`"${table}"`)) throw new Error("D1 is overloaded");
      return DB.prepare(query);
    },
  } as unknown as D1Database;
}

const cron = (env: Env) => worker.scheduled({} as ScheduledController, env);

/** A millisecond is all that may lie between a registration and what a test does next. */
function later(env: Env): Store {
  return { ...storeOf(env), now: () => Date.now() + 1 };
}

async function countInstances(applicationKey: string): Promise<number[]> {
  return Promise.all(
    names.map(async (userId) => (await userHub(bindings, { applicationKey, userId }).instances()).length),
  );
}

test("what one request cannot tell to all hubs, the next ones go on with", async () => {
  const { key } = await applicationWithUsers();
  await rotateSecret(storeOf(bindings), key, { keepOld: true, revokeInstances: true });
  const step = () => continueRevocation(bindings, key, "test", 2);
  expect(await step()).toEqual({ told: 2, failed: 0, complete: false });
  expect(await countInstances(key)).toEqual([0, 0, 1, 1, 1]);
  expect(await step()).toEqual({ told: 2, failed: 0, complete: false });
  expect(await step()).toEqual({ told: 1, failed: 0, complete: true });
  expect(await countInstances(key)).toEqual([0, 0, 0, 0, 0]);
  expect(await step()).toEqual({ told: 0, failed: 0, complete: true });
});

test("a token is refused before its hub has been told", async () => {
  const app = await newApplication();
  const alice = await newInstance(app, "a");
  await rotateSecret(storeOf(bindings), app.key, { keepOld: true, revokeInstances: true });
  // A registration reads the application anew.
  const late = await newInstance(app, "late");
  expect((await countInstances(app.key))[0]).toBe(1);
  const ice = (token: string) => request("GET", "/v1/ice-servers", { headers: bearer(token) });
  expect((await ice(alice.token)).body.errorCode).toBe(40105);
  expect((await ice(late.token)).status).toBe(200);
});

test("where the rotation is not known yet, an instance is not renewed past it", async () => {
  const app = await newApplication();
  const { token } = await newInstance(app, "a");
  // This location now remembers the application.
  expect((await request("GET", "/v1/ice-servers", { headers: bearer(token) })).status).toBe(200);
  await rotateSecret(later(bindings), app.key, { keepOld: false, revokeInstances: true });
  const renewed = await request("POST", "/v1/instances/renew", { headers: bearer(token) });
  expect(renewed.body.errorCode).toBe(40105);
  await continueRevocation(bindings, app.key, "test");
});

test("who registers after it is left alone, be the user new or not", async () => {
  const app = await applicationWithUsers();
  await rotateSecret(storeOf(bindings), app.key, { keepOld: true, revokeInstances: true });
  const known = { applicationKey: app.key, userId: names[0] ?? "" };
  const late = { applicationKey: app.key, userId: "late" };
  await noteUser(bindings.DB, late, Date.now());
  for (const user of [known, late]) {
    await runInDurableObject(userHub(bindings, user), (hub) => {
      hub.clock = () => Date.now() + 60_000;
    });
    await newInstance(app, user.userId);
  }
  await continueRevocation(bindings, app.key, "test");
  for (const user of [known, late]) expect(await userHub(bindings, user).instances()).toHaveLength(1);
});

test("it survives the application: the cron tells every hub, and clears away what is left", async () => {
  const { key } = await applicationWithUsers();
  await deleteApplication(storeOf(bindings), key);
  expect(await continueRevocation(bindings, key, "test", 3)).toEqual({ told: 3, failed: 0, complete: false });
  for (let runs = 0; runs < 3; runs++) await continueRevocations(bindings, "test");
  expect(await countInstances(key)).toEqual([0, 0, 0, 0, 0]);
  const rows = "SELECT 1 FROM users WHERE application_key = ?1 UNION ALL SELECT 1 FROM revocations";
  expect((await bindings.DB.prepare(rows).bind(key).all()).results).toEqual([]);
});

test("a hub that fails stops no other; it is told as soon as it can be", async () => {
  const { key } = await applicationWithUsers();
  await revokeAll(key);
  const down = without("b", "c");
  expect(await continueRevocation(down, key, "test", 4)).toEqual({ told: 2, failed: 2, complete: false });
  expect(await continueRevocation(down, key, "test", 4)).toEqual({ told: 1, failed: 2, complete: false });
  expect(await countInstances(key)).toEqual([0, 1, 1, 0, 0]);
  expect(await continueRevocation(down, key, "test", 4)).toEqual({ told: 0, failed: 2, complete: false });
  expect(await continueRevocation(without("b"), key, "test")).toEqual({
    told: 1,
    failed: 1,
    complete: false,
  });
  expect(await continueRevocation(bindings, key, "test")).toEqual({ told: 1, failed: 0, complete: true });
  expect(await countInstances(key)).toEqual([0, 0, 0, 0, 0]);
});

test("hubs that go on failing leave half of a run to the others", async () => {
  const { key } = await applicationWithUsers();
  await revokeAll(key);
  const down = without("a", "b", "c");
  const run = () => continueRevocation(down, key, "test", 2);
  expect([await run(), await run(), await run(), await run()].map(({ told }) => told)).toEqual([0, 0, 1, 1]);
  expect(await countInstances(key)).toEqual([1, 1, 1, 0, 0]);
  expect((await continueRevocation(bindings, key, "test")).complete).toBe(true);
});

test.each([
  ["a hub", () => without("a")],
  ["the table of users", () => ({ ...bindings, DB: withoutTable("users") })],
])("the answer to a rotation has the new secret, whatever fails: %s", async (_, broken) => {
  const app = await applicationWithUsers();
  const ask = (env: Env) =>
    worker.fetch(
      new Request(`${base}/v1/admin/applications/${app.key}/rotate`, {
        method: "POST",
        headers: adminHeaders(),
        body: JSON.stringify({ keepOld: false, revokeInstances: true }),
      }),
      env,
      { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext,
    );
  const answer = await ask(broken());
  expect(answer.status).toBe(200);
  const { applicationSecret, revocation } = await answer.json<{
    applicationSecret: string;
    revocation: { complete: boolean };
  }>();
  expect(revocation.complete).toBe(false);
  expect((await newInstance({ key: app.key, secret: applicationSecret }, "late")).userId).toBe("late");
  await cron(bindings);
  expect(await countInstances(app.key)).toEqual([0, 0, 0, 0, 0]);
});

test("revocations take turns, and wait for no clearing away", async () => {
  const [one, other, deleted] = [
    await applicationWithUsers(),
    await applicationWithUsers(),
    await applicationWithUsers(),
  ];
  await deleteApplication(storeOf(bindings), deleted.key);
  await revokeAll(one.key);
  await revokeAll(other.key);
  const left = async () =>
    Promise.all([one, other, deleted].map(async ({ key }) => (await countInstances(key)).join("")));
  await continueRevocations(bindings, "test", 6);
  expect(await left()).toEqual(["00111", "00111", "00111"]);
  // Too little for all three, and each finds out once that it has reached the end.
  for (let runs = 0; runs < 12; runs++) await continueRevocations(bindings, "test", 1);
  expect(await left()).toEqual(["00000", "00000", "00000"]);
});

test("the cron does the rest of its work when a part fails", async () => {
  const insert = "INSERT INTO used_signatures (application_key, signature, expires) VALUES ('r', 'old', 1)";
  await bindings.DB.prepare(insert).run();
  await cron({ ...bindings, DB: withoutTable("revocations") });
  const select = "SELECT 1 FROM used_signatures WHERE application_key = 'r'";
  expect((await bindings.DB.prepare(select).all()).results).toEqual([]);
});
