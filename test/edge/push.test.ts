/** How an instance is woken, declining from a push, and the list of dead tokens: what the edge lets through. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { declineKey } from "../../core/push/decline-key";
import { type DeadToken, noteDeadToken } from "../../core/push/feedback";
import { userHub } from "../../durable-objects/names";
import type { CallResult } from "../../protocol";
import worker from "../../workers/index";
import { Peer } from "../integration/peer";
import { now } from "./copies";
import { apnsBody, fcmBody, subject, uploaded, webPushPair } from "./push-material";
import {
  basic,
  bearer,
  bindings,
  fetchWorker,
  newApplication,
  newInstance,
  request,
  type TestApplication,
  type TestInstance,
  unique,
} from "./support";

const token = "0123456789abcDEF".repeat(4);
const apns = { provider: "apns", bundleId: "com.example.app", environment: "production", alertToken: token };
const fcm = { provider: "fcm", token: "cX:APA91b-_" };
const { publicKey: p256dh } = await webPushPair();
const endpoint = "https://fcm.googleapis.com/fcm/send/abc:def";
const browser = { provider: "webpush", endpoint, keys: { p256dh, auth: "AAAAAAAAAAAAAAAAAAAAAA" } };

const put = (alice: TestInstance, body: unknown, what = "device") =>
  request("PUT", `/v1/push/${what}`, { body, headers: bearer(alice.token) });
const drop = (alice: TestInstance, what = "device") =>
  request("DELETE", `/v1/push/${what}`, { headers: bearer(alice.token) });
const webKey = (alice: TestInstance) => request("GET", "/v1/push/web", { headers: bearer(alice.token) });

async function withAlice() {
  const app = await newApplication();
  return { app, alice: await newInstance(app, unique("alice")) };
}

describe("a device", () => {
  test.each<[string, object]>([
    ["an iPhone's", apns],
    [
      "an iPhone's, with everything",
      { ...apns, voipToken: token, type: "voip", sound: "bell.caf", mutableContent: true },
    ],
    [
      "an iPhone's with a long VoIP token",
      { ...apns, alertToken: undefined, voipToken: "ab".repeat(100), environment: "development" },
    ],
    ["an Android's", fcm],
    ["an Android's with a long token", { ...fcm, projectId: "my-app-1234", token: "x".repeat(4_096) }],
    ["a browser's", browser],
    ["a browser's, as it says it", { ...browser, applicationServerKey: p256dh, expirationTime: null }],
    ["Firefox's", { ...browser, endpoint: "https://updates.push.services.mozilla.com/wpush/v2/abc" }],
  ])("%s is taken", async (_, device) => {
    const { alice } = await withAlice();
    const answer = await put(alice, device);
    expect([answer.status, answer.body]).toEqual([200, { deliverable: false }]);
    for (let times = 0; times < 2; times++) expect((await drop(alice)).status).toBe(204);
  });

  test.each<[number, string, object]>([
    [40001, "provider: has to be apns, fcm or webpush", { ...apns, provider: "sms" }],
    [40001, "bundleId: has to be of type string", { ...apns, bundleId: undefined }],
    [40001, "bundleId: has to be a bundle id", { ...apns, bundleId: "com.example.app/x" }],
    [40001, "environment: has to be development or production", { ...apns, environment: "sandbox" }],
    [40001, "alertToken: give an alertToken, a voipToken, or both", { ...apns, alertToken: undefined }],
    [40001, "alertToken: has to have 64 to 200 hexa", { ...apns, alertToken: token.slice(2) }],
    [40001, "alertToken: has to have 64 to 200 hexa", { ...apns, alertToken: `${token}0` }],
    [40001, "voipToken: has to have 64 to 200 hexa", { ...apns, voipToken: "ab".repeat(101) }],
    [40001, "voipToken: has to have 64 to 200 hexa", { ...apns, voipToken: "<0123 4567>".repeat(8) }],
    [40001, "type: has to be auto, voip or alert", { ...apns, type: "loud" }],
    [40001, "sound: has to have 1 to 100 characters", { ...apns, sound: "x".repeat(101) }],
    [40001, "sound: has to be the name of a sound", { ...apns, sound: "a\nb" }],
    [40001, "mutableContent: has to be of type boolean", { ...apns, mutableContent: 1 }],
    [40001, "token: has to be of type string", { ...fcm, token: undefined }],
    [40001, "token: has to have 1 to 4096 characters", { ...fcm, token: "x".repeat(4_097) }],
    [40001, "token: has to be printable ASCII", { ...fcm, token: "a b" }],
    [40001, "projectId: has to be the id of a Firebase project", { ...fcm, projectId: "../p" }],
    [
      40001,
      "endpoint: has to have 1 to 2048 characters",
      { ...browser, endpoint: `${endpoint}${"x".repeat(2_048)}` },
    ],
    [40002, "endpoint: is not at a push service", { ...browser, endpoint: "https://evil.example/push" }],
    [40002, "endpoint: is not at a push service", { ...browser, endpoint: "http://127.0.0.1:8080/" }],
    [40001, "keys: has to be of type object", { ...browser, keys: undefined }],
    [40001, "keys.auth: has to be 16 bytes in base64url", { ...browser, keys: { p256dh, auth: "AAAA" } }],
    [40001, "keys.auth: ", { ...browser, keys: { p256dh, auth: "AAAAAAAAAAAAAAAAAAAAAA==" } }],
    [40001, "keys.p256dh: has to be 65 bytes", { ...browser, keys: { ...browser.keys, p256dh: "AAAA" } }],
    [40002, "keys.p256dh: is no", { ...browser, keys: { ...browser.keys, p256dh: `BA${"A".repeat(85)}` } }],
    [40001, "applicationServerKey: has to be 65 bytes", { ...browser, applicationServerKey: "x" }],
  ])("is refused: %i %s", async (code, detail, device) => {
    const { alice } = await withAlice();
    const answer = await put(alice, device);
    expect([answer.status, answer.body.errorCode]).toEqual([400, code]);
    expect(answer.body.detail).toContain(detail);
  });

  test("may be at a push service that the deployment names", async () => {
    const { alice } = await withAlice();
    const env = { ...bindings, WEB_PUSH_HOSTS: "http://127.0.0.1:8080" };
    const there = { ...browser, endpoint: "http://127.0.0.1:8080/push/1" };
    const init = { method: "PUT", headers: bearer(alice.token), body: JSON.stringify(there) };
    const context = { waitUntil() {}, passThroughOnException() {} } as unknown as ExecutionContext;
    const answer = await worker.fetch(
      new Request("https://carillon.test/v1/push/device", init),
      env,
      context,
    );
    expect(answer.status).toBe(200);
    expect((await put(alice, there)).status).toBe(400);
  });

  test("is deliverable when its own application has a credential that fits", async () => {
    const [{ app, alice }, other] = [await withAlice(), await newApplication()];
    const deliverable = async (device: object) => (await put(alice, device)).body.deliverable;
    const everything = async (to: TestApplication) => {
      await uploaded(to, await apnsBody({ bundleId: apns.bundleId, environment: apns.environment }));
      await uploaded(to, fcmBody());
      return uploaded(to, { provider: "webpush", generate: true, subject });
    };
    await everything(other);
    for (const device of [apns, fcm, browser]) expect(await deliverable(device)).toBe(false);
    const { publicKey } = await everything(app);
    for (const device of [apns, fcm, browser]) expect(await deliverable(device)).toBe(true);
    expect(await deliverable({ ...apns, environment: "development" })).toBe(false);
    expect(await deliverable({ ...apns, bundleId: "com.example.other" })).toBe(false);
    expect(await deliverable({ ...fcm, projectId: "another" })).toBe(false);
    expect(await deliverable({ ...browser, applicationServerKey: publicKey })).toBe(true);
    expect(await deliverable({ ...browser, applicationServerKey: p256dh })).toBe(false);
  });

  test("reaches the hub, and goes with its instance", async () => {
    const { app, alice } = await withAlice();
    const bob = await newInstance(app, unique("bob"));
    const user = { applicationKey: app.key, userId: alice.userId };
    const pushed = async () => {
      const peer = await Peer.connect(bob.userId, { applicationKey: app.key, instanceId: bob.instanceId });
      const { answered } = peer.start(alice.userId);
      const reply = await answered;
      peer.close();
      return reply.type === "answer" && (reply.result as CallResult).devices === 1;
    };
    expect(await pushed()).toBe(false);
    await put(alice, fcm);
    expect(await pushed()).toBe(true);
    await drop(alice);
    expect(await pushed()).toBe(false);
    await put(alice, fcm);
    await request("DELETE", `/v1/instances/${alice.instanceId}`, { headers: bearer(alice.token) });
    expect(await pushed()).toBe(false);
    expect((await put(alice, fcm)).body.errorCode).toBe(40105);
    expect(await userHub(bindings, user).setPushDevice(alice.instanceId, null)).toMatchObject({ ok: false });
  });
});

describe("push data", () => {
  const data = (bytes: number) => btoa("\xff".repeat(bytes));

  test.each([1, 2, 3, 1_023, 1_024])("of %i bytes is taken", async (bytes) => {
    const { alice } = await withAlice();
    expect((await put(alice, { data: data(bytes) }, "data")).status).toBe(204);
    expect((await put(alice, { data: data(1_025) }, "data")).body.errorCode).toBe(40003);
    for (let times = 0; times < 2; times++) expect((await drop(alice, "data")).status).toBe(204);
  });

  test("reaches the hub: a caller's app gets a push pair with it, until it is taken back", async () => {
    const { app, alice } = await withAlice();
    const bob = await newInstance(app, unique("bob"));
    const pairs = async () => {
      const peer = await Peer.connect(bob.userId, { applicationKey: app.key, instanceId: bob.instanceId });
      const reply = await peer.start(alice.userId).answered;
      peer.close();
      return reply.type === "answer" ? (reply.result as CallResult).pushPairs : [];
    };
    expect(await pairs()).toBeUndefined();
    await put(alice, { data: "YWxpY2U=" }, "data");
    expect(await pairs()).toMatchObject([{ data: "YWxpY2U=", to: alice.userId }]);
    await drop(alice);
    expect(await pairs()).toHaveLength(1);
    await drop(alice, "data");
    expect(await pairs()).toBeUndefined();
  });

  test.each<[number, object]>([
    [40001, { data: "" }],
    [40001, { data: "a" }],
    [40001, { data: "YQ" }],
    [40001, { data: "YR==" }],
    [40001, { data: "Y Q==" }],
    [40001, { data: "_w==" }],
    [40001, { data: 1 }],
    [40001, {}],
  ])("is refused: %i %j", async (code, body) => {
    const { alice } = await withAlice();
    const answer = await put(alice, body, "data");
    expect(answer.body.errorCode).toBe(code);
    expect(answer.body.detail).toContain("data: ");
  });
});

test("a page subscribes with its application's newest VAPID key", async () => {
  const [{ app, alice }, other] = [await withAlice(), await newApplication()];
  await uploaded(other, { provider: "webpush", generate: true, subject });
  await uploaded(app, fcmBody());
  expect((await webKey(alice)).body.errorCode).toBe(40400);
  const { publicKey } = await uploaded(app, { provider: "webpush", generate: true, subject });
  const answer = await webKey(alice);
  expect([answer.status, answer.body]).toEqual([200, { applicationServerKey: publicKey }]);
});

describe("declining from a push", () => {
  // Google takes every push.
  beforeEach(() => {
    vi.spyOn(globalThis, "fetch").mockImplementation(async () =>
      Response.json({ access_token: "ya29.x", expires_in: 3_600 }),
    );
  });
  afterEach(() => vi.restoreAllMocks());

  /** A call of bob's that rings for alice, who is not connected. */
  async function ringing() {
    const { app, alice } = await withAlice();
    await put(alice, fcm);
    await uploaded(app, fcmBody());
    const bob = await newInstance(app, unique("bob"));
    const peer = await Peer.connect(bob.userId, { applicationKey: app.key, instanceId: bob.instanceId });
    const { callId, answered } = peer.start(alice.userId);
    expect((await answered).type).toBe("answer");
    return { peer, call: { applicationKey: app.key, userId: alice.userId, callId } };
  }
  const keyOf = (call: Parameters<typeof declineKey>[1]) => declineKey(bindings.MASTER_KEY, call);
  const decline = (body: unknown) => request("POST", "/v1/push/decline", { body });

  test("ends the call for the caller: denied; then it is over", async () => {
    const { peer, call } = await ringing();
    const body = { ...call, key: await keyOf(call) };
    expect((await decline(body)).status).toBe(204);
    expect(await peer.event("ended", call.callId)).toMatchObject({ cause: "denied" });
    expect((await decline(body)).body.errorCode).toBe(40900);
  });

  test("takes the key of that call and that user alone", async () => {
    const { peer, call } = await ringing();
    const right = await keyOf(call);
    const others = [
      "x",
      right.toLowerCase(),
      `${right}A`,
      await keyOf({ ...call, callId: crypto.randomUUID() }),
      await keyOf({ ...call, userId: "mallory" }),
      await keyOf({ ...call, applicationKey: crypto.randomUUID() }),
      await keyOf({ ...call, origin: crypto.randomUUID() }),
    ];
    for (const key of others) {
      expect((await decline({ ...call, key })).body.errorCode).toBe(40300);
    }
    // Of another application's call the key is another one.
    expect((await decline({ ...call, origin: crypto.randomUUID(), key: right })).body.errorCode).toBe(40300);
    expect(peer.events(call.callId)).not.toContain("ended");
    expect((await decline({ ...call, origin: call.applicationKey, key: right })).status).toBe(204);
  });

  test("of a call that is not there: 40400", async () => {
    const { call } = await ringing();
    const gone = { ...call, callId: crypto.randomUUID() };
    expect((await decline({ ...gone, key: await keyOf(gone) })).body.errorCode).toBe(40400);
    const foreign = { ...call, origin: crypto.randomUUID() };
    expect((await decline({ ...foreign, key: await keyOf(foreign) })).body.errorCode).toBe(40400);
  });

  test.each<[string, object]>([
    ["applicationKey", { applicationKey: "x" }],
    ["userId", { userId: "a\nb" }],
    ["callId", { callId: "x" }],
    ["origin", { origin: "x" }],
    ["key", { key: undefined }],
    ["key", { key: "x".repeat(65) }],
  ])("%s has to be right: %j", async (field, change) => {
    const good = { applicationKey: crypto.randomUUID(), userId: "a", callId: crypto.randomUUID(), key: "k" };
    const answer = await decline({ ...good, ...change });
    expect(answer.body.errorCode).toBe(40001);
    expect(answer.body.detail).toContain(`${field}: `);
  });

  test("a page and a service worker may do it from anywhere", async () => {
    const headers = { origin: "https://app.example", "access-control-request-method": "POST" };
    const preflight = await fetchWorker("/v1/push/decline", { method: "OPTIONS", headers });
    expect(preflight.headers.get("access-control-allow-origin")).toBe("*");
  });
});

describe("feedback", () => {
  const dead = (app: TestApplication, userId: string, n: number): DeadToken => ({
    ...{ applicationKey: app.key, userId, instanceId: `i${n}`, provider: "apns", token: `t${n}` },
    ...{ reason: "Unregistered", time: now + n },
  });
  const list = (app: TestApplication, query = "") =>
    request("GET", `/v1/push/feedback${query}`, { headers: basic(app) });
  const tokens = (body: { feedback: { token: string }[] }) => body.feedback.map(({ token: one }) => one);

  test("is listed in the order of time, from a time on, in pages, of this application only", async () => {
    const [{ app, alice }, { app: other, alice: stranger }] = [await withAlice(), await withAlice()];
    for (const n of [1, 2, 3, 4, 5]) await noteDeadToken(bindings.DB, dead(app, alice.userId, n));
    // Stamped before the last one, and written after it.
    await noteDeadToken(bindings.DB, { ...dead(app, alice.userId, 3), token: "t3b" });
    await noteDeadToken(bindings.DB, dead(other, stranger.userId, 9));
    const all = (await list(app)).body;
    expect(Object.keys(all)).toEqual(["feedback"]);
    expect(tokens(all)).toEqual(["t1", "t2", "t3", "t4", "t5", "t3b"]);
    expect(all.feedback[0]).toEqual({
      ...{ userId: alice.userId, instanceId: "i1", provider: "apns", token: "t1" },
      ...{ reason: "Unregistered", time: now + 1 },
    });
    for (const limit of [1, 2, 3]) {
      const seen: string[] = [];
      let query: string | undefined = "";
      while (query !== undefined) {
        const { body } = await list(app, `?limit=${limit}${query}`);
        seen.push(...tokens(body));
        query = body.cursor && `&cursor=${encodeURIComponent(body.cursor)}`;
      }
      expect(seen).toEqual(tokens(all));
    }
    const from4 = ["t4", "t5", "t3b"];
    expect(tokens((await list(app, `?since=${now + 4}`)).body)).toEqual(from4);
    const iso = new Date(now + 4).toISOString();
    expect(tokens((await list(app, `?since=${iso}`)).body)).toEqual(from4);
    const berlin = new Date(now + 4 + 3_600_000).toISOString().replace("Z", "+01:00");
    expect(tokens((await list(app, `?since=${encodeURIComponent(berlin)}`)).body)).toEqual(from4);
    expect(tokens((await list(app, "?since=2020-01-01")).body)).toEqual(tokens(all));
    expect(tokens((await list(other)).body)).toEqual(["t9"]);
  });

  test.each([
    "since=yesterday",
    "since=",
    "since=-1",
    "since=2026-13-01",
    "since=2026-11-01T00:00:00",
    "cursor=x",
    "cursor=1.2",
    "limit=0",
    "limit=201",
  ])("%s: 40001", async (query) => {
    const answer = await list(await newApplication(), `?${query}`);
    expect(answer.body.errorCode).toBe(40001);
    expect(answer.body.detail).toContain(`${query.split("=")[0]}: `);
  });

  test("of a user who is deleted goes, and nothing comes after", async () => {
    const { app, alice } = await withAlice();
    const bob = await newInstance(app, unique("bob"));
    for (const [n, { userId }] of [alice, bob].entries())
      await noteDeadToken(bindings.DB, dead(app, userId, n));
    await noteDeadToken(bindings.DB, dead(app, alice.userId, -5));
    expect((await request("DELETE", `/v1/users/${alice.userId}`, { headers: basic(app) })).status).toBe(204);
    await noteDeadToken(bindings.DB, dead(app, alice.userId, 7));
    expect((await list(app)).body.feedback).toMatchObject([{ userId: bob.userId }]);
  });
});
