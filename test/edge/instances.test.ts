import { CompactSign } from "jose";
import { describe, expect, test, vi } from "vitest";
import { issueInstanceToken } from "../../core/authentication/instance-token";
import { registrationTokenKey } from "../../core/authentication/registration-token";
import {
  adminHeaders,
  basic,
  bearer,
  bindings,
  isErrorBody,
  newApplication,
  newInstance,
  request,
  signedRegistration,
  tokenRegistration,
  unique,
} from "./support";

const register = (body: unknown) => request("POST", "/v1/instances", { body });
const app = await newApplication();
const day = 86_400_000;

describe("POST /v1/instances", () => {
  test("201 by signature: an instance, a token and its expiry 30 days ahead", async () => {
    const { status, body } = await register(await signedRegistration(app, unique("alice"), 1));
    expect(status).toBe(201);
    expect(Object.keys(body).sort()).toEqual(["expiresAt", "instanceId", "instanceToken"]);
    expect(Math.abs(Date.parse(body.expiresAt) - Date.now() - 30 * day)).toBeLessThan(60_000);
    expect(new Date(body.expiresAt).toISOString()).toBe(body.expiresAt);
  });

  test("201 by token", async () => {
    const { status } = await register(await tokenRegistration(app, unique("alice")));
    expect(status).toBe(201);
  });

  const good = async () => ({ ...(await signedRegistration(app, unique("alice"), 1)) });
  test.each<[string, Record<string, unknown>, string]>([
    ["no application key", { applicationKey: undefined }, "applicationKey"],
    ["a malformed application key", { applicationKey: "x" }, "applicationKey"],
    ["an application key in capitals", { applicationKey: app.key.toUpperCase() }, "applicationKey"],
    ["no user", { userId: undefined }, "userId"],
    ["an empty user", { userId: "" }, "userId"],
    ["a user of 41", { userId: "x".repeat(41) }, "userId"],
    ["a user with a space", { userId: "a b" }, "userId"],
    ["a user with an umlaut", { userId: "jörg" }, "userId"],
    ["a user who is the address of another's", { userId: `b@${app.key}` }, "userId"],
    ["a device that is a number", { deviceId: 7 }, "deviceId"],
    ["a device of 65", { deviceId: "x".repeat(65) }, "deviceId"],
    ["no signature", { signature: undefined }, "signature"],
    ["an empty signature", { signature: "" }, "signature"],
    ["no sequence", { sequence: undefined }, "sequence"],
    ["a negative sequence", { sequence: -1 }, "sequence"],
    ["a fraction", { sequence: 1.5 }, "sequence"],
    ["2^64", { sequence: "18446744073709551616" }, "sequence"],
    ["a token too", { token: "x" }, "token"],
    ["a token that is none", { token: "x", signature: undefined, sequence: undefined }, "token"],
  ])("400/40001 for %s, and names it", async (_, change, field) => {
    const { status, body } = await register({ ...(await good()), ...change });
    expect(status).toBe(400);
    expect(body.errorCode).toBe(40001);
    expect(body.detail).toMatch(new RegExp(`^${field}: `));
    expect(isErrorBody(body)).toBe(true);
  });

  test.each([[""], ["{"], ["[]"], ["null"], ['"x"'], ["1"], ["\ufeff{}"]])(
    "400/40001 for the body %j",
    async (body) => {
      const answer = await register(body);
      expect([answer.status, answer.body.errorCode]).toEqual([400, 40001]);
    },
  );

  test("an @ is a character like others, unless an application key follows", async () => {
    for (const userId of ["alice@example.com", "@", `@${app.key}`]) {
      expect((await register(await tokenRegistration(app, userId))).status).toBe(201);
    }
  });

  test("400/40003 for a body of more than 128 KiB", async () => {
    const answer = await register({ ...(await good()), more: "x".repeat(131_072) });
    expect(answer.body.errorCode).toBe(40003);
    expect((await register({ ...(await good()), more: "x".repeat(130_000) })).status).toBe(201);
  });

  test("401/40100 for an application that is not there", async () => {
    const other = { ...app, key: "00000000-0000-4000-8000-000000000000" };
    const { status, body } = await register(await signedRegistration(other, "alice", 1));
    expect([status, body.errorCode]).toEqual([401, 40100]);
  });

  test("401/40102 for a wrong signature: another secret, user, sequence or application", async () => {
    const alice = await good();
    const other = await newApplication();
    const wrong = [
      await signedRegistration({ ...app, secret: other.secret }, "alice", 1),
      { ...alice, userId: "bob" },
      { ...alice, sequence: 2 },
      { ...alice, applicationKey: other.key },
      { ...(await tokenRegistration({ ...app, secret: other.secret }, "alice")) },
      { ...(await tokenRegistration(app, "alice")), userId: "bob" },
      { ...(await tokenRegistration(app, "alice")), applicationKey: other.key },
    ];
    for (const body of wrong) {
      const answer = await register(body);
      expect([answer.status, answer.body.errorCode]).toEqual([401, 40102]);
    }
    // None of them used anything up.
    expect((await register(alice)).status).toBe(201);
  });

  test("401/40103 for a sequence that is not greater, for each user by itself", async () => {
    const [alice, bob] = [unique("alice"), unique("bob")];
    const codes = async (user: string, sequences: (number | string)[]) => {
      const found: unknown[] = [];
      for (const sequence of sequences) {
        const { status, body } = await register(await signedRegistration(app, user, sequence));
        found.push(status === 201 ? 201 : body.errorCode);
      }
      return found;
    };
    expect(await codes(alice, [10, 10, 9, 11, "11", "100"])).toEqual([201, 40103, 40103, 201, 40103, 201]);
    expect(await codes(bob, [1, "18446744073709551615", "18446744073709551615"])).toEqual([201, 201, 40103]);
  });

  test("401/40103 for a nonce that was used, also when both come at once", async () => {
    const body = await tokenRegistration(app, unique("alice"));
    const answers = await Promise.all([register(body), register(body), register(body)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401]);
    expect((await register(body)).body.errorCode).toBe(40103);
  });

  test("401/40104 for a token that has expired, or is not valid yet", async () => {
    for (const offset of [-601_000, 120_000]) {
      const { status, body } = await register(await tokenRegistration(app, "alice", Date.now() + offset));
      expect([status, body.errorCode]).toEqual([401, 40104]);
    }
  });

  test("403/40301 for a blocked user, until it is unblocked", async () => {
    const userId = unique("mallory");
    const before = await newInstance(app, userId);
    const block = (method: string) => request(method, `/v1/users/${userId}/block`, { headers: basic(app) });
    expect((await block("PUT")).status).toBe(204);
    const refused = await register(await tokenRegistration(app, userId));
    expect([refused.status, refused.body.errorCode]).toEqual([403, 40301]);
    const ice = await request("GET", "/v1/ice-servers", { headers: bearer(before.token) });
    expect(ice.body.errorCode).toBe(40301);
    expect((await block("DELETE")).status).toBe(204);
    expect((await register(await tokenRegistration(app, userId))).status).toBe(201);
  });

  test("a device that registers again takes the place of what it was", async () => {
    const userId = unique("alice");
    const first = await newInstance(app, userId, "phone");
    await newInstance(app, userId, "phone");
    const { body } = await request("GET", `/v1/users/${userId}/instances`, { headers: basic(app) });
    expect(body.instances).toHaveLength(1);
    const ice = await request("GET", "/v1/ice-servers", { headers: bearer(first.token) });
    expect(ice.body.errorCode).toBe(40105);
  });
});

describe("POST /v1/instances/renew", () => {
  const renew = (token: string) => request("POST", "/v1/instances/renew", { headers: bearer(token) });

  test("gives a new token for the same instance, also after the old one expired", async () => {
    const { application, userId, instanceId, token } = await newInstance(app, unique("alice"));
    const fresh = await renew(token);
    expect([fresh.status, fresh.body.instanceId]).toEqual([200, instanceId]);
    const identity = { applicationKey: application.key, userId, instanceId };
    const old = await issueInstanceToken(bindings.MASTER_KEY, identity, Date.now() - 31 * day);
    const used = await request("GET", "/v1/ice-servers", { headers: bearer(old.token) });
    expect(used.body.errorCode).toBe(40104);
    const again = await renew(old.token);
    expect(again.status).toBe(200);
    const ice = await request("GET", "/v1/ice-servers", { headers: bearer(again.body.instanceToken) });
    expect(ice.status).toBe(200);
  });

  test("no more after 365 days", async () => {
    const { application, userId, instanceId } = await newInstance(app, unique("alice"));
    const identity = { applicationKey: application.key, userId, instanceId };
    const old = await issueInstanceToken(bindings.MASTER_KEY, identity, Date.now() - 396 * day);
    expect((await renew(old.token)).body.errorCode).toBe(40104);
  });

  test("not for an instance that was revoked, nor for what is no token", async () => {
    const one = await newInstance(app, unique("alice"));
    await request("DELETE", `/v1/instances/${one.instanceId}`, { headers: bearer(one.token) });
    expect((await renew(one.token)).body.errorCode).toBe(40105);
    expect((await renew("x")).body.errorCode).toBe(40106);
    expect((await request("POST", "/v1/instances/renew")).body.errorCode).toBe(40100);
  });
});

describe("revocation", () => {
  test("log-out: by the device itself, and of itself only", async () => {
    const userId = unique("alice");
    const [one, other] = [await newInstance(app, userId), await newInstance(app, userId)];
    const remove = (id: string) => request("DELETE", `/v1/instances/${id}`, { headers: bearer(one.token) });
    expect((await remove(other.instanceId)).body.errorCode).toBe(40300);
    expect((await remove("*")).body.errorCode).toBe(40300);
    expect((await remove(one.instanceId)).status).toBe(204);
    const ice = (token: string) => request("GET", "/v1/ice-servers", { headers: bearer(token) });
    expect((await ice(one.token)).body.errorCode).toBe(40105);
    expect((await ice(other.token)).status).toBe(200);
  });

  test("by the app's server: one, then all", async () => {
    const userId = unique("alice");
    const made = [
      await newInstance(app, userId),
      await newInstance(app, userId),
      await newInstance(app, userId),
    ];
    const path = `/v1/users/${userId}/instances`;
    const remove = (suffix: string) => request("DELETE", path + suffix, { headers: basic(app) });
    expect((await remove(`/${made[0]?.instanceId}`)).status).toBe(204);
    expect((await remove(`/${made[0]?.instanceId}`)).body.errorCode).toBe(40400);
    expect((await remove("/*")).body.errorCode).toBe(40400);
    expect((await remove("")).body).toEqual({ revoked: 2 });
    expect((await request("GET", path, { headers: basic(app) })).body).toEqual({ instances: [] });
  });
});

describe("rotation of the secret", () => {
  const rotate = (key: string, body: object) =>
    request("POST", `/v1/admin/applications/${key}/rotate`, { body, headers: adminHeaders() });
  const status = async (application: typeof app) =>
    (await register(await tokenRegistration(application, unique("alice")))).status;

  test("overlaps: both are valid until the old one is revoked", async () => {
    const old = await newApplication();
    const rotated = await rotate(old.key, {});
    const fresh = { key: old.key, secret: rotated.body.applicationSecret };
    expect(fresh.secret).not.toBe(old.secret);
    expect([await status(old), await status(fresh)]).toEqual([201, 201]);

    const list = await request("GET", "/v1/admin/applications?limit=200", { headers: adminHeaders() });
    const summary = list.body.applications.find(
      (one: { applicationKey: string }) => one.applicationKey === old.key,
    );
    const oldId = summary.secrets.find((one: { id: string }) => one.id !== rotated.body.secretId).id;
    const revoke = (id: string) =>
      request("DELETE", `/v1/admin/applications/${old.key}/secrets/${id}`, { headers: adminHeaders() });
    expect((await revoke(oldId)).status).toBe(204);
    expect((await revoke(oldId)).body.errorCode).toBe(40400);
    expect((await revoke(rotated.body.secretId)).body.errorCode).toBe(40900);
    expect([await status(old), await status(fresh)]).toEqual([401, 201]);
  });

  test("keepOld false ends the old one at once; instances stay", async () => {
    const old = await newApplication();
    const { token } = await newInstance(old, "alice");
    const rotated = await rotate(old.key, { keepOld: false });
    const fresh = { key: old.key, secret: rotated.body.applicationSecret };
    expect([await status(old), await status(fresh)]).toEqual([401, 201]);
    expect((await request("GET", "/v1/ice-servers", { headers: bearer(token) })).status).toBe(200);
  });

  test("revokeInstances ends every instance so far, and none of those that follow", async () => {
    const old = await newApplication();
    const before = [await newInstance(old, "alice"), await newInstance(old, "bob")];
    const rotated = await rotate(old.key, { revokeInstances: true });
    expect(rotated.body.revocation).toEqual({ users: 2, complete: true });
    const after = await newInstance({ key: old.key, secret: rotated.body.applicationSecret }, "alice");
    const ice = async (token: string) =>
      (await request("GET", "/v1/ice-servers", { headers: bearer(token) })).body.errorCode ?? 200;
    for (const { token } of before) expect(await ice(token)).toBe(40105);
    expect(await ice(after.token)).toBe(200);
    for (const { token } of before) {
      const renewed = await request("POST", "/v1/instances/renew", { headers: bearer(token) });
      expect(renewed.body.errorCode).toBe(40105);
    }
    const left = await bindings.DB.prepare("SELECT * FROM revocations WHERE application_key = ?")
      .bind(old.key)
      .all();
    expect(left.results).toEqual([]);
  });
});

test("a secret that was revoked at another location registers nobody from here", async () => {
  const own = await newApplication();
  await newInstance(own, "alice");
  await bindings.DB.prepare("UPDATE application_secrets SET revoked_at = 1 WHERE application_key = ?")
    .bind(own.key)
    .run();
  expect((await register(await tokenRegistration(own, "alice"))).body.errorCode).toBe(40102);
});

test("who has no secret makes the database read once, be the application there or not", async () => {
  const own = await newApplication();
  const batch = vi.spyOn(Object.getPrototypeOf(bindings.DB), "batch");
  const attempt = async (key: string) =>
    (await register({ applicationKey: key, userId: "x", signature: "nonsense", sequence: 1 })).body.errorCode;
  for (const [key, code] of [
    [own.key, 40102],
    [crypto.randomUUID(), 40100],
  ] as const) {
    batch.mockClear();
    for (let n = 0; n < 20; n++) expect(await attempt(key)).toBe(code);
    expect(batch.mock.calls.length).toBeLessThan(3);
  }
  batch.mockRestore();
});

test("a token of the administrator registers", async () => {
  const path = `/v1/admin/applications/${app.key}/users/carol/token`;
  const made = await request("POST", path, { body: { ttlSeconds: 60 }, headers: adminHeaders() });
  expect(made.status).toBe(201);
  const answer = await register({ applicationKey: app.key, userId: "carol", token: made.body.token });
  expect(answer.status).toBe(201);
});

test("an instance's own expiry bounds its tokens", async () => {
  const userId = unique("alice");
  const iat = Math.floor(Date.now() / 1_000);
  const instanceExpires = iat + 3 * 86_400;
  const iss = `//rtc.sinch.com/applications/${app.key}`;
  const date = new Date(iat * 1_000).toISOString().slice(0, 10).replaceAll("-", "");
  const claims = { iss, sub: `${iss}/users/${userId}`, iat, exp: iat + 60, nonce: "n" };
  const token = await new CompactSign(
    new TextEncoder().encode(JSON.stringify({ ...claims, "sinch:rtc:instance:exp": instanceExpires })),
  )
    .setProtectedHeader({ alg: "HS256", kid: `hkdfv1-${date}` })
    .sign(await registrationTokenKey(app.secret, date));
  const { body } = await register({ applicationKey: app.key, userId, token });
  expect(Date.parse(body.expiresAt)).toBe(instanceExpires * 1_000);
  const renewed = await request("POST", "/v1/instances/renew", { headers: bearer(body.instanceToken) });
  expect(Date.parse(renewed.body.expiresAt)).toBe(instanceExpires * 1_000);
});
