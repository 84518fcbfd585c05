import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { deleteApplication, rotateSecret } from "../../core/applications/applications";
import type { Store } from "../../core/applications/store";
import { noteUser } from "../../core/applications/users";
import type { Env } from "../../durable-objects/env";
import { userHub } from "../../durable-objects/names";
import { storeOf } from "../../workers/context";
import { continueOldestRevocation, continueRevocation } from "../../workers/revocation";
import { bearer, bindings, newApplication, newInstance, request } from "./support";

const names = ["a", "b", "c", "d", "e"];

async function applicationWithUsers() {
  const app = await newApplication();
  for (const name of names) await newInstance(app, name);
  return app;
}

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
  expect(await step()).toEqual({ told: 2, complete: false });
  expect(await countInstances(key)).toEqual([0, 0, 1, 1, 1]);
  expect(await step()).toEqual({ told: 2, complete: false });
  expect(await step()).toEqual({ told: 1, complete: true });
  expect(await countInstances(key)).toEqual([0, 0, 0, 0, 0]);
  expect(await step()).toEqual({ told: 0, complete: true });
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
  expect(await continueRevocation(bindings, key, "test", 3)).toEqual({ told: 3, complete: false });
  for (let runs = 0; runs < 3; runs++) await continueOldestRevocation(bindings, "test");
  expect(await countInstances(key)).toEqual([0, 0, 0, 0, 0]);
  const rows = "SELECT 1 FROM users WHERE application_key = ?1 UNION ALL SELECT 1 FROM revocations";
  expect((await bindings.DB.prepare(rows).bind(key).all()).results).toEqual([]);
});
