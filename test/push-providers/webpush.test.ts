import { createECDH, generateKeyPairSync, randomBytes } from "node:crypto";
import { Agent } from "node:https";
import ece from "http_ece";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import webpush, { type RequestOptions, type WebPushError } from "web-push";
import { type Providers, startProviders } from "../../scripts/dev/push/providers.mjs";
import { decrypt, newKeys } from "../../scripts/dev/push/webpush-keys.mjs";
import { tls } from "./tls";

const vapid = webpush.generateVAPIDKeys();
const vapidDetails = { ...vapid, subject: "mailto:push@example.com" };
const agent = new Agent({ ca: tls.cert });

describe("with the web-push package", () => {
  let providers: Providers;
  beforeEach(async () => {
    providers = await startProviders({ tls });
  });
  afterEach(() => providers.close());

  const subscribe = () => providers.webpush.subscribe({ applicationServerKey: vapid.publicKey });
  const send = (subscription: webpush.PushSubscription, text: string, options: RequestOptions = {}) =>
    webpush.sendNotification(subscription, text, { vapidDetails, agent, TTL: 45, ...options });
  const refusal = (...what: Parameters<typeof send>) =>
    send(...what).then(
      () => expect.unreachable("it was taken"),
      ({ statusCode, body }: WebPushError) => `${statusCode} ${body}`,
    );

  it("takes a message and reads it", async () => {
    const subscription = subscribe();
    const { statusCode, headers } = await send(subscription, '{"sin":"hällo"}', {
      urgency: "high",
      topic: "call",
    });
    expect(statusCode).toBe(201);
    expect(headers.location).toMatch(/^https:\/\/127.0.0.1:\d+\/message\//);
    expect(providers.book.pushes).toMatchObject([
      {
        provider: "webpush",
        token: subscription.endpoint,
        body: { sin: "hällo" },
        sin: "hällo",
        credential: vapid.publicKey,
        headers: { ttl: "45", urgency: "high", topic: "call", "content-encoding": "aes128gcm" },
        delivered: true,
        answer: { status: 201 },
      },
    ]);
    expect(providers.book.pushes[0]?.problem).toBeUndefined();
    expect(providers.book.pushes[0]?.headers).not.toHaveProperty("authorization");
  });

  it("takes 4,096 bytes as they travel, and not one more", async () => {
    const overhead = 86 + 1 + 16;
    await send(subscribe(), "x".repeat(4_096 - overhead));
    expect(providers.book.pushes[0]).toMatchObject({ bytes: 4_096, body: "x".repeat(4_096 - overhead) });
    expect(await refusal(subscribe(), "x".repeat(4_097 - overhead))).toMatch(/^413/);
  });

  it("takes nothing for who is gone, or was never there", async () => {
    const subscription = subscribe();
    providers.webpush.unsubscribe(subscription.endpoint);
    expect(await refusal(subscription, "x")).toMatch(/^410/);
    expect(await refusal({ ...subscription, endpoint: `${providers.webpush.url}/push/x` }, "x")).toMatch(
      /^404/,
    );
  });

  it("wants the key that was subscribed with, where it was", async () => {
    const other = { ...webpush.generateVAPIDKeys(), subject: "https://example.com" };
    expect(await refusal(subscribe(), "x", { vapidDetails: other })).toBe(
      "403 k= is not the key of the subscription",
    );
    await send(providers.webpush.subscribe(), "x", { vapidDetails: other });
    expect(await refusal(subscribe(), "x", { vapidDetails: undefined })).toBe("401 no VAPID");
  });

  it("says what a browser could not read", async () => {
    const { keys } = subscribe();
    await send({ ...subscribe(), keys }, "x");
    expect(providers.book.pushes[0]).toMatchObject({ delivered: true, problem: /^not decrypted/ });
  });

  it("makes the trouble that it is told to make", async () => {
    const { desk } = providers.webpush;
    desk.trouble({ kind: "refuse", status: 429, reason: "slower", retryAfter: 30 }, { times: 1 });
    const throttled: WebPushError = await send(subscribe(), "x").catch((error) => error);
    expect(throttled).toMatchObject({ statusCode: 429, headers: { "retry-after": "30" } });
    desk.trouble({ kind: "refuse", status: 503, reason: "down" }, { times: 1 });
    expect(await refusal(subscribe(), "x")).toBe("503 down");
    desk.trouble({ kind: "cut" }, { times: 1 });
    await expect(send(subscribe(), "x")).rejects.toThrow(/hang up|closed|reset|Parse/i);
    desk.trouble({ kind: "never" }, { times: 1 });
    await expect(send(subscribe(), "x", { timeout: 100 })).rejects.toThrow("Socket timeout");
    await send(subscribe(), "x");
  });
});

describe("byte by byte", () => {
  let providers: Providers;
  beforeEach(async () => {
    providers = await startProviders();
  });
  afterEach(() => providers.close());

  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const k = Buffer.concat([Buffer.of(4), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]).toString(
    "base64url",
  );

  async function ask(headers: Record<string, string>, claims: Record<string, unknown> = {}) {
    const { endpoint } = providers.webpush.subscribe();
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    const all = { aud: providers.webpush.url, exp, sub: "mailto:a@example.com", ...claims };
    const t = await new SignJWT(all).setProtectedHeader({ alg: "ES256", typ: "JWT" }).sign(privateKey);
    const authorization = `vapid t=${t}, k=${k}`;
    const answer = await fetch(endpoint, {
      method: "POST",
      headers: { authorization, ttl: "0", ...headers },
    });
    return `${answer.status} ${await answer.text()}`.trim();
  }
  const day = 24 * 3_600;
  const soon = Math.floor(Date.now() / 1_000) + day;

  it("takes a message without a body", async () => {
    expect(await ask({})).toBe("201");
    expect(providers.book.pushes).toMatchObject([{ delivered: true, bytes: 0 }]);
    expect(providers.book.pushes[0]?.problem).toBeUndefined();
  });

  it.each<[string, Record<string, string>, Record<string, unknown>, string]>([
    ["another audience", {}, { aud: "https://example.com" }, "403 aud"],
    ["more than a day", {}, { exp: soon + 60 }, "403 exp is more"],
    ["what is over", {}, { exp: soon - day - 1 }, "403 exp is over"],
    ["nobody to write to", {}, { sub: undefined }, "403 sub"],
    ["another key", { authorization: `vapid t=a.b.c, k=${k}` }, {}, "403 t="],
    ["a key that is none", { authorization: `vapid t=a.b.c, k=${k.slice(0, 80)}` }, {}, "403 t="],
    ["half of it", { authorization: `vapid k=${k}` }, {}, "403 t="],
    ["the scheme of the draft", { authorization: "WebPush a.b.c" }, {}, "401"],
    ["a TTL that is none", { ttl: "soon" }, {}, "400 TTL"],
    ["an urgency that is none", { urgency: "urgent" }, {}, "400 Urgency"],
    ["a long topic", { topic: "x".repeat(33) }, {}, "400 Topic"],
    ["a topic with odd characters", { topic: "a.b" }, {}, "400 Topic"],
  ])("refuses %s", async (_, headers, claims, expected) => {
    expect((await ask(headers, claims)).startsWith(expected)).toBe(true);
  });

  it("refuses a signature of somebody else", async () => {
    const { endpoint } = providers.webpush.subscribe();
    const { publicKey: other } = webpush.generateVAPIDKeys();
    const { Authorization } = webpush.getVapidHeaders(
      providers.webpush.url,
      vapidDetails.subject,
      vapid.publicKey,
      vapid.privateKey,
      "aes128gcm",
    );
    const forged = String(Authorization).replace(/k=.*/, `k=${other}`);
    const answer = await fetch(endpoint, { method: "POST", headers: { authorization: forged, ttl: "0" } });
    expect(answer.status).toBe(403);
  });

  it("takes POST alone", async () => {
    expect((await fetch(providers.webpush.subscribe().endpoint)).status).toBe(405);
  });

  it("wants aes128gcm, and a TTL", async () => {
    const { endpoint, keys } = providers.webpush.subscribe();
    const details = webpush.generateRequestDetails({ endpoint, keys }, "x", { vapidDetails, TTL: 1 });
    const post = (headers: Record<string, string>) =>
      fetch(endpoint, { method: "POST", headers, body: new Uint8Array(details.body ?? []) });
    const { Authorization = "" } = details.headers as Record<string, string>;
    const authorization = Authorization;
    const encoding = { "content-encoding": "aes128gcm" };
    expect((await post({ authorization, ttl: "1", ...encoding })).status).toBe(201);
    expect((await post({ authorization, ...encoding })).status).toBe(400);
    expect((await post({ authorization, ttl: "1" })).status).toBe(400);
  });
});

describe("the keys, beside http_ece", () => {
  it("reads what http_ece has encrypted, padded or not", () => {
    for (const pad of [0, 1, 200]) {
      const keys = newKeys();
      const sender = createECDH("prime256v1");
      sender.generateKeys();
      const text = randomBytes(500);
      const how = {
        version: "aes128gcm",
        privateKey: sender,
        dh: keys.publicKey,
        authSecret: keys.auth,
      } as const;
      expect(decrypt(ece.encrypt(text, { ...how, pad }), keys).equals(text)).toBe(true);
      expect(() => decrypt(ece.encrypt(text, { ...how, rs: 100 }), keys)).toThrow("more than one record");
      expect(() => decrypt(ece.encrypt(text, how), newKeys())).toThrow();
      // The first record of several.
      const begun = ece.encrypt(text, { ...how, rs: 100 }).subarray(0, 86 + 100);
      expect(() => decrypt(begun, keys)).toThrow("delimiter");
      expect(() => decrypt(ece.encrypt(text, how).subarray(0, 90), keys)).toThrow("no key of 65 bytes");
    }
  });

  it("are keys that http_ece decrypts with", () => {
    const keys = newKeys();
    const { body } = webpush.generateRequestDetails(
      { endpoint: "https://push.example.com/x", keys: { p256dh: keys.publicKey, auth: keys.auth } },
      "hello",
      { vapidDetails },
    );
    const receiver = createECDH("prime256v1");
    receiver.setPrivateKey(keys.privateKey, "base64url");
    const how = { version: "aes128gcm", privateKey: receiver, authSecret: keys.auth } as const;
    expect(ece.decrypt(Buffer.from(body ?? []), how).toString()).toBe("hello");
  });
});
