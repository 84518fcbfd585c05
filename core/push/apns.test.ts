import { describe, expect, test } from "vitest";
import type { ApnsDevice } from "../../protocol";
import { apnsOutcome, apnsRequest } from "./apns";
import type { CallPush, CancelPush, MessagePush } from "./content";
import { preparePush } from "./prepared-push";
import type { PushSettings } from "./settings";

const now = 1_800_000_000_000;
const callId = "0b7e8a4e-5f0e-4f0b-9c62-9a0d3a9f1c11";
const messageId = "019a0000-0000-7000-8000-000000000001";
const recipient = { applicationKey: "app", userId: "bob" };
const device: ApnsDevice = {
  provider: "apns",
  bundleId: "com.example.app",
  environment: "production",
  voipToken: "aa11",
  alertToken: "bb22",
};
const alertOnly: ApnsDevice = { ...device, voipToken: undefined };
const call: CallPush = {
  ...{ type: "call", callId, from: "alice", video: false, headers: {} },
  until: now + 45_000,
};
const cancel: CancelPush = {
  ...{ type: "cancel", callId, from: "alice", video: false, cause: "canceled" },
  until: now + 45_000,
};
const message: MessagePush = {
  ...{ type: "message", messageId, from: "alice", headers: {} },
  until: now + 30 * 86_400_000,
};

async function requestOf(
  content: CallPush | CancelPush | MessagePush,
  to: ApnsDevice = device,
  settings: PushSettings = {},
) {
  const push = await preparePush(content, to, recipient);
  if (!push) throw new Error("cannot be woken");
  return apnsRequest(push, to, "jwt", { settings, now });
}
const seconds = (ms: number) => String(Math.ceil(ms / 1_000));

describe("a request to APNs", () => {
  test("of a call is a VoIP push that expires with the ringing", async () => {
    const { url, headers, body } = await requestOf(call);
    expect(url).toBe("https://api.push.apple.com/3/device/aa11");
    expect(headers).toEqual({
      authorization: "bearer jwt",
      "content-type": "application/json",
      "apns-push-type": "voip",
      "apns-topic": "com.example.app.voip",
      "apns-priority": "10",
      "apns-expiration": seconds(call.until),
    });
    expect(JSON.parse(String(body)).aps.alert["loc-key"]).toBe("SIN_INCOMING_CALL");
  });

  test("of a call to a device without a VoIP token is an alert that a later one replaces", async () => {
    const { url, headers } = await requestOf(call, alertOnly);
    expect(url).toContain("/bb22");
    expect(headers).toMatchObject({
      "apns-push-type": "alert",
      "apns-topic": "com.example.app",
      "apns-priority": "10",
      "apns-expiration": seconds(call.until),
      "apns-collapse-id": callId.replaceAll("-", ""),
    });
  });

  test("of a cancelled call that was shown works in the background, at the priority that Apple wants", async () => {
    const { headers, body } = await requestOf(cancel, alertOnly);
    expect(headers).toMatchObject({
      "apns-push-type": "background",
      "apns-topic": "com.example.app",
      "apns-priority": "5",
    });
    expect(headers).not.toHaveProperty("apns-collapse-id");
    expect(JSON.parse(String(body)).aps).toEqual({ "content-available": 1 });
  });

  test.each([
    ["a VoIP cancel, for which iOS rings", device, "canceled", cancel.until],
    ["a missed call", alertOnly, "noAnswer", cancel.until + 24 * 3_600_000],
    ["a call that another device has", alertOnly, "otherDeviceAnswered", cancel.until],
    ["a call that was denied", alertOnly, "denied", cancel.until],
  ] as const)("keeps %s for as long as it matters", async (_, to, cause, expires) => {
    const { headers } = await requestOf({ ...cancel, cause }, to);
    expect(headers["apns-expiration"]).toBe(seconds(expires));
  });

  test("is delivered now or never once its time is over", async () => {
    const { headers } = await requestOf({ ...cancel, cause: "noAnswer", until: now });
    expect(headers["apns-expiration"]).toBe("0");
  });

  test("of a message is an alert, one for each user, and never VoIP", async () => {
    const { headers } = await requestOf(message);
    expect(headers).toMatchObject({
      "apns-push-type": "alert",
      "apns-expiration": seconds(message.until),
    });
    const another = await requestOf({ ...message, messageId: callId });
    expect(another.headers["apns-collapse-id"]).toBe(headers["apns-collapse-id"]);
    const ofAnother = await preparePush(message, device, { ...recipient, userId: "carol" });
    expect(ofAnother?.topic).not.toBe(headers["apns-collapse-id"]);
    expect(headers["apns-collapse-id"]?.length).toBeLessThanOrEqual(64);
  });

  test.each([
    ["production", {}, "https://api.push.apple.com"],
    ["development", {}, "https://api.sandbox.push.apple.com"],
    ["production", { APNS_PRODUCTION_URL: "http://127.0.0.1:1" }, "http://127.0.0.1:1"],
    ["development", { APNS_DEVELOPMENT_URL: "http://127.0.0.1:2" }, "http://127.0.0.1:2"],
  ] as const)("of %s with %j goes to %s", async (environment, settings, host) => {
    expect((await requestOf(call, { ...device, environment }, settings)).url).toBe(`${host}/3/device/aa11`);
  });
});

describe("an answer of APNs", () => {
  const outcome = (status: number, body: object | string = "", retryAfter?: number) =>
    apnsOutcome({ status, text: typeof body === "string" ? body : JSON.stringify(body), retryAfter });

  test.each([
    [200, undefined, { kind: "sent" }],
    [400, "BadDeviceToken", { kind: "dead" }],
    [400, "DeviceTokenNotForTopic", { kind: "dead" }],
    [410, "ExpiredToken", { kind: "dead" }],
    [400, "TopicDisallowed", { kind: "credential" }],
    [400, "BadTopic", { kind: "credential" }],
    [403, "InvalidProviderToken", { kind: "credential", token: true }],
    [403, "ExpiredProviderToken", { kind: "credential", token: true }],
    [403, "MissingProviderToken", { kind: "credential" }],
    [403, "BadEnvironmentKeyInToken", { kind: "credential" }],
    [403, "BadCertificateEnvironment", { kind: "credential" }],
    [403, "Forbidden", { kind: "credential" }],
    [403, "UnrelatedKeyIdInToken", { kind: "temporary" }],
    [429, "TooManyProviderTokenUpdates", { kind: "throttled" }],
    [429, "TooManyRequests", { kind: "throttled" }],
    [500, "InternalServerError", { kind: "temporary" }],
    [503, "ServiceUnavailable", { kind: "temporary" }],
    [503, "Shutdown", { kind: "temporary" }],
    [400, "IdleTimeout", { kind: "temporary" }],
    [413, "PayloadTooLarge", { kind: "fault" }],
    [400, "BadExpirationDate", { kind: "fault" }],
    [400, "InvalidPushType", { kind: "fault" }],
    [405, "MethodNotAllowed", { kind: "fault" }],
    [404, "BadPath", { kind: "fault" }],
  ])("%i %s", (status, reason, expected) => {
    expect(outcome(status, reason ? { reason } : "")).toEqual({ ...expected, ...(reason && { reason }) });
  });

  test("says since when a token is dead", () => {
    expect(outcome(410, { reason: "Unregistered", timestamp: 1_700_000_000_123 })).toEqual({
      kind: "dead",
      reason: "Unregistered",
      since: 1_700_000_000_123,
    });
  });

  test("says how long to wait, if it does", () => {
    expect(outcome(503, { reason: "ServiceUnavailable" }, 30)).toMatchObject({ retryAfter: 30 });
    expect(outcome(429, { reason: "TooManyRequests" }, 7)).toMatchObject({ retryAfter: 7 });
  });

  test.each([
    [502, "<html>", "temporary"],
    [301, "", "temporary"],
    [400, "<html>", "fault"],
    [400, "{}", "fault"],
    [403, "<html>", "credential"],
  ])("%i with %s, from somebody in between, is %s", (status, text, kind) => {
    expect(outcome(status, text)).toMatchObject({ kind, reason: `answered ${status}` });
  });
});
