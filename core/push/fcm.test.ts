import { describe, expect, test } from "vitest";
import type { CallPush, MessagePush } from "./content";
import { fcmOutcome, fcmRequest } from "./fcm";
import { preparePush } from "./prepared-push";

const now = 1_800_000_000_000;
const callId = "0b7e8a4e-5f0e-4f0b-9c62-9a0d3a9f1c11";
const call: CallPush = {
  ...{ type: "call", callId, from: "alice", video: true, headers: {} },
  until: now + 45_000,
};
const message: MessagePush = {
  ...{ type: "message", messageId: callId, from: "alice", headers: {} },
  until: now + 30 * 86_400_000,
};

async function requestOf(content: CallPush | MessagePush, settings = {}) {
  const recipient = { applicationKey: "app", userId: "bob", declineKey: "secret" };
  const push = await preparePush(content, { provider: "fcm", token: "t:1" }, recipient);
  if (!push) throw new Error("cannot be woken");
  const { url, headers, body } = fcmRequest(push, { projectId: "my project" }, "access", { settings, now });
  return { url, headers, body: JSON.parse(String(body)) };
}

describe("a request to FCM", () => {
  test("of a call is data alone, urgent, and good for as long as it rings", async () => {
    const { url, headers, body } = await requestOf(call);
    expect(url).toBe("https://fcm.googleapis.com/v1/projects/my%20project/messages:send");
    expect(headers).toEqual({ authorization: "Bearer access", "content-type": "application/json" });
    expect(body).toEqual({
      message: {
        token: "t:1",
        data: { sin: expect.any(String) },
        android: { priority: "HIGH", ttl: "45s" },
      },
    });
    expect(JSON.parse(body.message.data.sin)).toMatchObject({ id: callId, video: true, key: "secret" });
  });

  test("of a message is one for each user, and kept for the 28 days that FCM allows", async () => {
    const { android } = (await requestOf(message)).body.message;
    expect(android.ttl).toBe(`${28 * 86_400}s`);
    expect(android.collapse_key).toMatch(/^[\w-]{32}$/);
  });

  test("never has a time to live below zero", async () => {
    expect((await requestOf({ ...call, until: now - 1 })).body.message.android.ttl).toBe("0s");
  });

  test("goes where the setting says", async () => {
    const { url } = await requestOf(call, { FCM_URL: "http://127.0.0.1:1" });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:1\/v1\/projects\//);
  });
});

describe("an answer of FCM", () => {
  const fcmError = { "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError" };
  const badRequest = { "@type": "type.googleapis.com/google.rpc.BadRequest" };
  const error = (code: number, status: string, details: object[] = [], message = "…") => ({
    status: code,
    text: JSON.stringify({ error: { code, message, status, details } }),
  });
  const field = (name: string) => [{ ...badRequest, fieldViolations: [{ field: name, description: "…" }] }];
  const fcm = (errorCode: string) => [{ ...fcmError, errorCode }];
  const notAToken = "The registration token is not a valid FCM registration token";

  test.each([
    ["taken", { status: 200, text: '{"name":"projects/p/messages/1"}' }, { kind: "sent" }],
    ["a token that is gone", error(404, "NOT_FOUND", fcm("UNREGISTERED")), { kind: "dead", ofProject: true }],
    ["a token that is gone, in short", error(404, "NOT_FOUND"), { kind: "dead", ofProject: true }],
    [
      "another project",
      error(403, "PERMISSION_DENIED", fcm("SENDER_ID_MISMATCH")),
      { kind: "credential", missing: true },
    ],
    ["no token", error(400, "INVALID_ARGUMENT", fcm("INVALID_ARGUMENT"), notAToken), { kind: "dead" }],
    ["a bad token", error(400, "INVALID_ARGUMENT", field("message.token")), { kind: "dead" }],
    ["a bad ttl", error(400, "INVALID_ARGUMENT", field("message.android.ttl")), { kind: "fault" }],
    [
      "bad data",
      error(400, "INVALID_ARGUMENT", field("message.data[0].value"), notAToken),
      { kind: "fault" },
    ],
    ["too much", error(400, "INVALID_ARGUMENT", fcm("INVALID_ARGUMENT"), "Too big"), { kind: "fault" }],
    ["an old access token", error(401, "UNAUTHENTICATED"), { kind: "credential", token: true }],
    ["no permission", error(403, "PERMISSION_DENIED"), { kind: "credential" }],
    ["a bad key", error(401, "UNAUTHENTICATED", fcm("THIRD_PARTY_AUTH_ERROR")), { kind: "credential" }],
    ["quota", error(429, "RESOURCE_EXHAUSTED", fcm("QUOTA_EXCEEDED")), { kind: "throttled", retryAfter: 60 }],
    ["an inner error", error(500, "INTERNAL", fcm("INTERNAL")), { kind: "temporary" }],
    ["overload", error(503, "UNAVAILABLE", fcm("UNAVAILABLE")), { kind: "temporary" }],
    ["a gateway", { status: 502, text: "<html>" }, { kind: "temporary" }],
    ["a redirect", { status: 302, text: "" }, { kind: "temporary" }],
    ["a page that is not FCM's", { status: 404, text: "<html>" }, { kind: "fault" }],
  ])("%s", (_, answer, expected) => {
    const outcome = fcmOutcome(answer);
    expect(outcome).toMatchObject(expected);
    for (const mark of ["token", "missing", "ofProject"]) expect(mark in outcome).toBe(mark in expected);
  });

  test("says how long to wait", () => {
    const quota = error(429, "RESOURCE_EXHAUSTED", fcm("QUOTA_EXCEEDED"));
    expect(fcmOutcome({ ...quota, retryAfter: 120 })).toMatchObject({ retryAfter: 120 });
    const overload = error(503, "UNAVAILABLE", fcm("UNAVAILABLE"));
    expect(fcmOutcome({ ...overload, retryAfter: 9 })).toMatchObject({ retryAfter: 9 });
  });
});
