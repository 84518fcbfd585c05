/** What an application pushes with: taken in, checked, kept sealed, listed without its keys. */
import { describe, expect, test } from "vitest";
import {
  loadPushCredentials,
  type PushCredentialSummary,
  savePushCredential,
} from "../../core/push/credential-store";
import { serverLimits } from "../../protocol";
import { storeOf } from "../../workers/context";
import { PushKeys } from "../../workers/push/push-keys";
import {
  apnsBody,
  deleteApplication,
  ecKey,
  fcmBody,
  ids,
  listed,
  removed,
  rsaKey,
  rsaPublicKey,
  serviceAccount,
  subject,
  upload,
  uploaded,
  vapidBody,
  webPushPair,
} from "./push-material";
import { adminHeaders, bindings, newApplication, request, type TestApplication } from "./support";

const store = storeOf(bindings);
const loaded = ({ key }: TestApplication) => loadPushCredentials(store, key);

/** What the database holds of an application, as text. */
async function atRest({ key }: TestApplication): Promise<string> {
  const rows = await bindings.DB.prepare("SELECT * FROM push_credentials WHERE application_key = ?")
    .bind(key)
    .all();
  return JSON.stringify(rows.results);
}

describe("what is taken", () => {
  test("a key of Apple's, for all of a team or for one app", async () => {
    const app = await newApplication();
    const body = await apnsBody();
    const { id, created, ...shown } = await uploaded(app, body);
    expect([shown, typeof id]).toEqual([{ provider: "apns", ...ids }, "string"]);
    expect(Math.abs(created - Date.now())).toBeLessThan(10_000);
    const scope = { bundleId: "com.example.my-App", environment: "development" };
    expect(await uploaded(app, { ...body, ...scope })).toMatchObject({ ...ids, ...scope });
    const [, team] = await loaded(app);
    expect(team).toEqual({ provider: "apns", ...ids, privateKey: body.privateKey, id, created });
  });

  test("a service account of Google's, as its file is, without what is not used of it", async () => {
    const app = await newApplication();
    await uploaded(app, fcmBody());
    const [credential] = await loaded(app);
    const {
      project_id: projectId,
      client_email: clientEmail,
      private_key_id: privateKeyId,
    } = serviceAccount();
    expect(credential).toEqual({
      ...{ provider: "fcm", projectId, clientEmail, privateKeyId, privateKey: rsaKey },
      ...{ id: expect.any(String), created: expect.any(Number) },
    });
    expect(await atRest(app)).not.toContain("evil");
  });

  test("a VAPID pair, or the wish for one", async () => {
    const app = await newApplication();
    const body = await vapidBody({ subject: "https://example.com/contact" });
    const { publicKey, privateKey } = body as unknown as Record<string, string>;
    expect(await uploaded(app, body)).toMatchObject({ publicKey, subject: "https://example.com/contact" });
    const made = await uploaded(app, { provider: "webpush", generate: true, subject });
    expect(Object.keys(made).sort()).toEqual(["created", "id", "provider", "publicKey", "subject"]);
    const keys = await loaded(app);
    expect(keys).toContainEqual(expect.objectContaining({ publicKey, privateKey }));
    // What was made is a pair: it is taken when it is uploaded.
    const { privateKey: secret } = keys.find(({ id }) => id === made.id) ?? {};
    const again = { provider: "webpush", publicKey: made.publicKey, privateKey: secret, subject };
    expect((await upload(app, again)).status).toBe(200);
    expect(await uploaded(app, { provider: "webpush", generate: true, subject })).not.toMatchObject({
      publicKey: made.publicKey,
    });
  });
});

const good: Record<string, Record<string, unknown>> = {
  apns: await apnsBody(),
  fcm: fcmBody(),
  webpush: await vapidBody(),
};
const other = await webPushPair();
const p384 = await ecKey("P-384");
const offCurve = `${String(good.webpush?.publicKey).slice(0, -3)}AAA`;

describe("what is refused, and why", () => {
  test.each<[string, Record<string, unknown>, number, string]>([
    ["apns", { provider: "pigeon" }, 40001, "provider: has to be apns, fcm or webpush"],
    ["apns", { privateKey: undefined }, 40001, "privateKey: has to be of type string"],
    ["apns", { privateKey: "x".repeat(8_193) }, 40001, "privateKey: has to have 1 to 8192 characters"],
    ["apns", { privateKey: "AuthKey_X.p8" }, 40002, "privateKey: is no PEM"],
    ["apns", { privateKey: rsaKey }, 40002, "privateKey: is an RSA key, not a P-256 key"],
    ["apns", { privateKey: p384 }, 40002, "privateKey: is a P-384 key, not a P-256 key"],
    ["apns", { privateKey: rsaPublicKey }, 40002, "privateKey: is a public key"],
    ["apns", { privateKey: rsaKey.replaceAll("PRIVATE KEY", "CERTIFICATE") }, 40002, "is a certificate"],
    ["apns", { keyId: "ABCDE1234" }, 40001, "keyId: has to have 10 letters and digits"],
    ["apns", { keyId: "ABCDE1234é" }, 40001, "keyId: "],
    ["apns", { teamId: "ABCDE12345\n" }, 40001, "teamId: has to have 10 letters and digits"],
    ["apns", { bundleId: "com.example.*" }, 40001, "bundleId: has to be a bundle id"],
    ["apns", { bundleId: "com..app" }, 40001, "bundleId: has to be a bundle id"],
    ["apns", { bundleId: "com.example/app" }, 40001, "bundleId: has to be a bundle id"],
    ["apns", { bundleId: null }, 40001, "bundleId: "],
    ["apns", { environment: "sandbox" }, 40001, "environment: has to be development or production"],
    ["apns", { bundleID: "com.example.app" }, 40001, "body: there is no field bundleID"],
    ["apns", { generate: true }, 40001, "body: there is no field generate"],
    ["fcm", { serviceAccount: undefined }, 40001, "serviceAccount: has to be of type object"],
    ["fcm", { serviceAccount: JSON.stringify(serviceAccount()) }, 40001, "serviceAccount: has to be of type"],
    ["fcm", fcmBody({ type: undefined }), 40001, "serviceAccount.type: has to be service_account"],
    ["fcm", fcmBody({ type: "authorized_user" }), 40001, "serviceAccount.type: has to be service_account"],
    ["fcm", fcmBody({ project_id: undefined }), 40001, "serviceAccount.project_id: has to be of type string"],
    ["fcm", fcmBody({ project_id: "../x" }), 40001, "serviceAccount.project_id: has to be the id"],
    ["fcm", fcmBody({ client_email: undefined }), 40001, "serviceAccount.client_email: has to be of type"],
    ["fcm", fcmBody({ client_email: "x" }), 40001, "serviceAccount.client_email: has to be an e-mail"],
    ["fcm", fcmBody({ private_key_id: "" }), 40001, "serviceAccount.private_key_id: "],
    ["fcm", fcmBody({ private_key: undefined }), 40001, "serviceAccount.private_key: has to be of type"],
    ["fcm", fcmBody({ private_key: p384 }), 40002, "serviceAccount.private_key: is a P-384 key, not an RSA"],
    ["webpush", { publicKey: undefined }, 40001, "publicKey: has to be of type string"],
    ["webpush", { privateKey: undefined }, 40001, "privateKey: has to be of type string"],
    ["webpush", { publicKey: "abc" }, 40002, "publicKey: has to be 65 bytes in base64url"],
    ["webpush", { publicKey: offCurve }, 40002, "publicKey: is no uncompressed point of the curve P-256"],
    ["webpush", { publicKey: other.publicKey }, 40002, "privateKey: does not belong to publicKey"],
    ["webpush", { privateKey: other.privateKey }, 40002, "privateKey: does not belong to publicKey"],
    ["webpush", { privateKey: "A".repeat(43) }, 40002, "privateKey: does not belong to publicKey"],
    ["webpush", { privateKey: rsaKey }, 40002, "privateKey: has to be 32 bytes in base64url"],
    ["webpush", { generate: true }, 40001, "body: there is no field publicKey"],
    ["webpush", { generate: false }, 40001, "generate: has to be true"],
    ["webpush", { subject: undefined }, 40001, "subject: has to be of type string"],
    ["webpush", { subject: "push@example.com" }, 40001, "subject: has to be mailto:"],
    ["webpush", { subject: "mailto: <a@b>" }, 40001, "subject: has to be mailto:"],
    ["webpush", { subject: "http://example.com" }, 40001, "subject: has to be mailto:"],
    ["webpush", { subject: "https://" }, 40001, "subject: has to be mailto:"],
  ])("%s %j: %i", async (provider, change, code, problem) => {
    const app = await newApplication();
    const answer = await upload(app, { ...good[provider], ...change });
    expect([answer.status, answer.body.errorCode]).toEqual([400, code]);
    expect(answer.body.detail).toContain(problem);
    // Nothing of a key comes back.
    expect(answer.text).not.toMatch(/MI[A-Za-z0-9+/]{20}/);
    expect(await listed(app)).toEqual([]);
  });
});

describe("what is kept", () => {
  test("shows in a list, newest first, without its key, and goes by its id", async () => {
    const app = await newApplication();
    expect(await listed(app)).toEqual([]);
    const privateKey = await ecKey();
    const answers: PushCredentialSummary[] = [];
    for (const time of [5, 9, 1]) {
      const credential = { provider: "apns", privateKey, ...ids, bundleId: `a${time}` } as const;
      const saved = await savePushCredential({ ...store, now: () => time }, app.key, credential);
      if (saved.ok) answers.push(saved.value);
    }
    answers.sort((one, other) => other.created - one.created);
    expect(await listed(app)).toEqual(answers);
    expect((await loaded(app)).map(({ id }) => id)).toEqual(answers.map(({ id }) => id));
    expect(JSON.stringify(await listed(app))).not.toMatch(/private_?Key"|BEGIN/i);
    const [newest, middle] = answers;
    expect((await removed(app, middle?.id ?? "")).status).toBe(204);
    expect((await removed(app, middle?.id ?? "")).body.errorCode).toBe(40400);
    expect((await removed(app, "*")).body.errorCode).toBe(40400);
    expect((await listed(app))[0]).toEqual(newest);
    expect(await listed(app)).toHaveLength(2);
  });

  test("is sealed: the database has nothing of a private key", async () => {
    const app = await newApplication();
    const apns = await apnsBody();
    const vapid = await vapidBody();
    for (const body of [apns, fcmBody(), vapid]) await uploaded(app, body);
    const text = await atRest(app);
    expect(text).toContain(ids.keyId);
    expect(text).not.toContain("PRIVATE KEY");
    for (const key of [apns.privateKey, rsaKey, (vapid as unknown as { privateKey: string }).privateKey]) {
      for (const part of key.match(/[\w+/-]{40,}/g) ?? []) expect(text).not.toContain(part);
    }
  });

  test("of one scope is one: an upload takes its place at once, and other scopes stay", async () => {
    const app = await newApplication();
    const pair = await webPushPair();
    const scopes = [
      await apnsBody(),
      await apnsBody({ environment: "production" }),
      await apnsBody({ bundleId: "com.example.a" }),
      await apnsBody({ bundleId: "com.example.a", environment: "production" }),
      await apnsBody({ bundleId: "com.example.b" }),
      fcmBody(),
      fcmBody({ project_id: "another" }),
      await vapidBody(pair),
      await vapidBody(),
    ];
    for (const body of scopes) await uploaded(app, body);
    const before = await listed(app);
    expect(before).toHaveLength(scopes.length);
    const key = await ecKey();
    const fresh = [
      await uploaded(
        app,
        await apnsBody({ bundleId: "com.example.a", privateKey: key, keyId: "NEWKEY1234" }),
      ),
      await uploaded(app, fcmBody({ private_key_id: "new" })),
      await uploaded(app, { provider: "webpush", ...pair, subject: "https://example.com" }),
    ];
    const after = await listed(app);
    expect(after).toHaveLength(scopes.length);
    for (const one of fresh) expect(after).toContainEqual(one);
    expect(await loaded(app)).toContainEqual(expect.objectContaining({ ...fresh[0], privateKey: key }));
    // A new id: who removes the old one does not mean the new one.
    const replaced = before.filter(
      ({ id }: { id: string }) => !after.some((one: { id: string }) => one.id === id),
    );
    expect(replaced).toHaveLength(3);
    for (const { id } of replaced) expect((await removed(app, id)).status).toBe(404);
  });

  test("is what is pushed with from then on, whatever was in memory", async () => {
    const app = await newApplication();
    const idsInUse = async () => {
      const keys = new PushKeys(bindings, "test", () => Date.now());
      return (await keys.credentials(app.key)).map(({ id }) => id);
    };
    expect(await idsInUse()).toEqual([]);
    for (let times = 0; times < 2; times++) {
      const { id } = await uploaded(app, fcmBody());
      expect(await idsInUse()).toEqual([id]);
    }
    await removed(app, (await idsInUse())[0] ?? "");
    expect(await idsInUse()).toEqual([]);
  });

  test("is never half of the one and half of the other, whoever uploads at the same time", async () => {
    const app = await newApplication();
    const keys = await Promise.all(Array.from({ length: 8 }, () => ecKey()));
    await Promise.all(
      keys.map(async (privateKey, at) =>
        upload(app, await apnsBody({ privateKey, keyId: `KEY000000${at}` })),
      ),
    );
    const [left, ...more] = await loaded(app);
    if (left?.provider !== "apns") throw new Error("no key");
    expect(more).toEqual([]);
    expect(left.privateKey).toBe(keys[Number(left.keyId.at(-1))]);
  });

  test("is 100 at most; what replaces one of them is taken", async () => {
    const app = await newApplication();
    const privateKey = await ecKey();
    const max = serverLimits.pushCredentialsPerApplication;
    const nth = (n: number) =>
      ({ provider: "apns", privateKey, ...ids, bundleId: `com.example.app${n}` }) as const;
    const saved = await Promise.all(
      Array.from({ length: max + 5 }, (_, n) => savePushCredential(store, app.key, nth(n))),
    );
    expect(saved.filter(({ ok }) => ok)).toHaveLength(max);
    const answer = await upload(app, nth(1_000));
    expect([answer.body.errorCode, answer.body.detail]).toEqual([
      40900,
      expect.stringContaining("at most 100"),
    ]);
    const [first] = await listed(app);
    expect((await upload(app, { ...nth(0), bundleId: first.bundleId })).status).toBe(200);
    expect(await listed(app)).toHaveLength(max);
    expect((await upload(await newApplication(), nth(1_000))).status).toBe(200);
    await removed(app, (await listed(app))[0].id);
    expect((await upload(app, nth(1_000))).status).toBe(200);
  });
});

describe("whose they are", () => {
  test("an application's own: nobody else lists, replaces, removes or opens them", async () => {
    const [app, other] = [await newApplication("one"), await newApplication("one")];
    const { id } = await uploaded(app, await apnsBody());
    expect(await listed(other)).toEqual([]);
    expect((await removed(other, id)).body.errorCode).toBe(40400);
    await uploaded(other, await apnsBody({ keyId: "OTHER12345" }));
    expect(await listed(app)).toMatchObject([{ id, keyId: ids.keyId }]);
    // A row that is moved does not open.
    await bindings.DB.prepare("UPDATE push_credentials SET application_key = ?, scope = 'x' WHERE id = ?")
      .bind(other.key, id)
      .run();
    await expect(loaded(other)).rejects.toThrow();
  });

  test("the administrator has the same below the application", async () => {
    const app = await newApplication();
    const path = `/v1/admin/applications/${app.key}/push/credentials`;
    const admin = { headers: adminHeaders() };
    const { id } = (await request("PUT", path, { ...admin, body: await apnsBody() })).body;
    expect(await listed(app)).toMatchObject([{ id }]);
    expect((await request("GET", path, admin)).body.credentials).toEqual(await listed(app));
    expect((await request("DELETE", `${path}/${id}`, admin)).status).toBe(204);
    expect(await listed(app)).toEqual([]);
  });

  test("they go with the application at once, and none comes to one that is gone", async () => {
    const app = await newApplication();
    await uploaded(app, await apnsBody());
    await deleteApplication(app);
    expect(await atRest(app)).toBe("[]");
    const late = await savePushCredential(store, app.key, {
      provider: "webpush",
      ...(await webPushPair()),
      subject,
    });
    expect(late).toMatchObject({ ok: false, error: { name: "unauthorized" } });
    expect(await atRest(app)).toBe("[]");
  });
});
