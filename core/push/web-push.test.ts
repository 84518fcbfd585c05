/// <reference path="../../test/push-providers/http_ece.d.ts" />
import { createECDH, randomBytes } from "node:crypto";
import { decrypt } from "http_ece";
import { importJWK, jwtVerify } from "jose";
import { describe, expect, test } from "vitest";
import type { WebPushDevice } from "../../protocol";
import { makeVapidCredential } from "./check-credential";
import type { CallPush, CancelPush, MessagePush } from "./content";
import { preparePush } from "./prepared-push";
import { vapidToken, webPushOutcome, webPushRequest } from "./web-push";

const now = 1_800_000_000_000;
const callId = "0b7e8a4e-5f0e-4f0b-9c62-9a0d3a9f1c11";
const call: CallPush = {
  ...{ type: "call", callId, from: "alice", displayName: "Alice 🐙", video: true, headers: {} },
  until: now + 45_000,
};
const message: MessagePush = {
  ...{ type: "message", messageId: callId, from: "alice", headers: {} },
  until: now + 30 * 86_400_000,
};
const cancel: CancelPush = {
  ...{ type: "cancel", callId, from: "alice", video: true, cause: "noAnswer" },
  until: now,
};

/** A browser that has subscribed. */
const browser = createECDH("prime256v1");
const auth = randomBytes(16).toString("base64url");
const device: WebPushDevice = {
  provider: "webpush",
  endpoint: "https://updates.push.services.mozilla.com/wpush/v2/abc",
  keys: { p256dh: browser.generateKeys().toString("base64url"), auth },
};

async function requestOf(content: CallPush | CancelPush | MessagePush, to = device) {
  const push = await preparePush(content, to, { applicationKey: "app", userId: "bob" });
  if (!push) throw new Error("cannot be woken");
  return webPushRequest(push, to, { publicKey: "pub" }, { token: "jwt", now });
}
const opened = (body: string | Uint8Array) =>
  decrypt(Buffer.from(body), { version: "aes128gcm", privateKey: browser, authSecret: auth }).toString();

describe("a request to a push service", () => {
  test("of a call is urgent and encrypted so that the browser, and nobody else, reads it", async () => {
    const { url, headers, body } = await requestOf(call);
    expect(url).toBe(device.endpoint);
    expect(headers).toEqual({
      authorization: "vapid t=jwt, k=pub",
      "content-type": "application/octet-stream",
      "content-encoding": "aes128gcm",
      ttl: "45",
      urgency: "high",
      topic: callId.replaceAll("-", ""),
    });
    const { sin } = JSON.parse(opened(body));
    expect(JSON.parse(sin)).toMatchObject({ type: "call", id: callId, name: "Alice 🐙" });
  });

  test("of a message can wait, for four weeks", async () => {
    const { headers } = await requestOf(message);
    expect(headers).toMatchObject({ urgency: "normal", ttl: String(28 * 86_400) });
    expect(headers.topic).toMatch(/^[\w-]{1,32}$/);
  });

  test("of a missed call takes the place of the call, for a day", async () => {
    const { headers } = await requestOf(cancel);
    expect(headers).toMatchObject({ topic: callId.replaceAll("-", ""), ttl: String(24 * 3_600) });
  });

  test("is no larger than 4,096 bytes, whatever it carries", async () => {
    const headers = { text: "x".repeat(1_000) };
    const full = await requestOf({ ...call, headers, displayName: "🐙".repeat(2_000) });
    expect(full.body.length).toBeLessThanOrEqual(4_096);
    expect(JSON.parse(JSON.parse(opened(full.body)).sin).headers).toEqual(headers);
  });

  test("cannot be made for keys that are none", async () => {
    const keys = { ...device.keys, p256dh: Buffer.alloc(65, 4).toString("base64url") };
    await expect(requestOf(call, { ...device, keys })).rejects.toThrow();
  });
});

describe("a VAPID token", () => {
  test("is of the key, for the push service, and for less than the 24 hours that are allowed", async () => {
    const credential = await makeVapidCredential("mailto:push@example.com");
    const { token, goodUntil } = await vapidToken(credential, device.endpoint, now);
    const point = Buffer.from(credential.publicKey, "base64url");
    const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString("base64url"));
    const key = await importJWK({ kty: "EC", crv: "P-256", x, y }, "ES256");
    const { payload } = await jwtVerify(token, key, { currentDate: new Date(now) });
    expect(payload).toEqual({
      aud: "https://updates.push.services.mozilla.com",
      exp: now / 1_000 + 12 * 3_600,
      sub: "mailto:push@example.com",
    });
    expect(goodUntil).toBe(now + 6 * 3_600_000);
  });
});

describe("an answer of a push service", () => {
  test.each([
    [201, "", "sent"],
    [200, "", "sent"],
    [202, "", "sent"],
    [404, "", "dead"],
    [410, '{"code":410,"errno":106}', "dead"],
    [401, '{"code":401,"errno":109}', "credential"],
    [403, '{"reason":"VapidPkHashMismatch"}', "credential"],
    [400, "<TITLE>UnauthorizedRegistration</TITLE>", "credential"],
    [400, '{"code":400,"errno":110}', "fault"],
    [413, "", "fault"],
    [429, "", "throttled"],
    [406, "", "throttled"],
    [500, "", "temporary"],
    [503, "", "temporary"],
    [307, "", "temporary"],
  ])("%i %s is %s", (status, text, kind) => {
    expect(webPushOutcome({ status, text })).toMatchObject({ kind });
  });

  test("says how long to wait", () => {
    expect(webPushOutcome({ status: 429, text: "", retryAfter: 20 })).toMatchObject({ retryAfter: 20 });
    expect(webPushOutcome({ status: 503, text: "", retryAfter: 21 })).toMatchObject({ retryAfter: 21 });
  });

  test("leaves its first words in the log, and no more", () => {
    const outcome = webPushOutcome({ status: 403, text: `bad key${"!".repeat(500)}\n<html>` });
    expect(outcome).toMatchObject({ reason: expect.stringMatching(/^answered 403: bad key!{113}$/) });
  });

  test("leaves no endpoint there", () => {
    const text = `{"error":"gone","endpoint":"${device.endpoint}${"x".repeat(40)}"}`;
    expect(webPushOutcome({ status: 410, text })).toEqual({
      kind: "dead",
      reason: 'answered 410: {"error":"gone","endpoint":"',
    });
  });
});
