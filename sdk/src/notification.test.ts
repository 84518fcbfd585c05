import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PushPayload } from "../../protocol";
import { queryPushNotificationPayload as query } from "./notification";

const until = 1_800_000_000_000;
const callId = "01234567-89ab-4cde-8f01-23456789abcd";
const call: PushPayload = {
  v: 1,
  type: "call",
  id: callId,
  to: "bob",
  from: "alice",
  name: "Alice Ängström",
  video: true,
  headers: { order: "4711" },
  until,
  key: "k".repeat(22),
};
const sin = JSON.stringify(call);
const nothing = {
  valid: false,
  isCall: false,
  isMessage: false,
  headers: {},
  videoOffered: false,
  timedOut: false,
  until: 0,
};

describe("a call's push", () => {
  test("says what there is to know", () => {
    expect(query(sin, until - 1)).toEqual({
      valid: true,
      isCall: true,
      isMessage: false,
      callId,
      userId: "bob",
      remoteUserId: "alice",
      displayName: "Alice Ängström",
      headers: { order: "4711" },
      videoOffered: true,
      timedOut: false,
      until,
    });
  });

  test.each<[string, unknown]>([
    ["the text", sin],
    ["APNs' userInfo", { aps: { alert: { "loc-key": "SIN_INCOMING_CALL" } }, sin }],
    ["an FCM message", { messageId: "0:1", data: { sin }, from: "1234", priority: 1 }],
    ["FCM's data alone", { sin }],
    ["the JSON of a Web Push", JSON.stringify({ sin })],
    ["the JSON of an FCM message", JSON.stringify({ data: { sin } })],
    ["a notification with its data", { title: "Incoming call", data: { sin }, action: "answer" }],
    ["data that is the text itself", { data: sin }],
    ["a payload that was read already", call],
  ])("is found in %s", (_, payload) => {
    expect(query(payload, 0)).toEqual(query(sin, 0));
    expect(query(payload, 0).valid).toBe(true);
  });

  test("times out when the ring time is over", () => {
    expect(query(sin, until - 1).timedOut).toBe(false);
    expect(query(sin, until).timedOut).toBe(true);
    expect(query(sin).timedOut).toBe(Date.now() >= until);
  });
});

test("a cancelled call says why", () => {
  const cancel = {
    v: 1,
    type: "cancel",
    id: callId,
    to: "bob",
    from: "alice",
    cause: "otherDeviceAnswered",
    until,
  };
  expect(query(JSON.stringify(cancel), 0)).toMatchObject({
    isCall: true,
    canceled: "otherDeviceAnswered",
    callId,
  });
  expect(query(sin, 0).canceled).toBeUndefined();
  // A call is not cancelled by a word that does not belong there.
  expect(query({ ...call, cause: "denied" }, 0).canceled).toBeUndefined();
});

test("a message is no call", () => {
  const messageId = "01234567-89ab-7cde-8f01-23456789abcd";
  const result = query(
    { sin: JSON.stringify({ v: 1, type: "message", id: messageId, from: "alice", until }) },
    0,
  );
  expect(result).toMatchObject({
    valid: true,
    isCall: false,
    isMessage: true,
    messageId,
    remoteUserId: "alice",
  });
  expect(result.callId).toBeUndefined();
});

test("what is cut away, or comes in a push pair, is simply missing", () => {
  const result = query({ v: 1, type: "call", id: callId, until }, 0);
  expect(result).toEqual({ ...nothing, valid: true, isCall: true, callId, until });
});

test("a later version's words do no harm", () => {
  expect(query({ ...call, priority: 7, tags: ["a"] }, 0)).toEqual(query(call, 0));
  expect(query({ ...call, v: 2 }, 0)).toEqual(nothing);
});

test.each<[string, object]>([
  ["an unknown type", { type: "party" }],
  ["a type in a list", { type: ["call"] }],
  ["no id", { id: undefined }],
  ["an id that is no UUID", { id: "1" }],
  ["an id in capitals", { id: callId.toUpperCase() }],
  ["an id in a list", { id: [callId] }],
  ["no end", { until: undefined }],
  ["an end that is no number", { until: "1800000000000" }],
  ["an endless end", { until: Number.POSITIVE_INFINITY }],
  ["a sender that is no text", { from: { userId: "alice" } }],
  ["a callee that is no text", { to: 7 }],
  ["a name that is no text", { name: ["Alice"] }],
  ["an origin that is no text", { origin: {} }],
  ["an origin that is no UUID", { origin: "x" }],
  ["an origin in capitals", { origin: callId.toUpperCase() }],
  ["an origin that is null", { origin: null }],
  ["headers that are a text", { headers: "a" }],
  ["headers that are nothing", { headers: null }],
  ["headers in a list", { headers: ["a"] }],
  ["a header that is no text", { headers: { a: 1 } }],
])("%s is not valid", (_, wrong) => {
  expect(query({ ...call, ...wrong }, 0)).toEqual(nothing);
});

describe("whatever comes", () => {
  const part = fc.oneof(
    fc.json(),
    fc.jsonValue(),
    fc.constantFrom(undefined, null, "", "{", "null", "[]", 1, Number.NaN, sin),
  );
  const names = [
    "v",
    "type",
    "id",
    "to",
    "from",
    "name",
    "video",
    "headers",
    "cause",
    "until",
    "key",
    "origin",
  ];

  test("never throws, and is either valid or nothing at all", () => {
    const payloads = fc.oneof(
      part,
      fc.record({ sin: part }, { requiredKeys: [] }),
      fc.record({ data: fc.record({ sin: part }) }),
      fc.dictionary(fc.constantFrom(...names, "sin", "data", "__proto__", "constructor"), part),
      // A good one with some of its parts replaced.
      fc.dictionary(fc.constantFrom(...names), part).map((odd) => ({ ...call, ...odd })),
    );
    fc.assert(
      fc.property(payloads, fc.boolean(), (payload, asText) => {
        const result = query(asText ? JSON.stringify(payload) : payload, 0);
        if (!result.valid) {
          expect(result).toEqual(nothing);
          return;
        }
        expect(result.isCall).toBe(!result.isMessage);
        expect(result.callId ?? result.messageId).toMatch(/^[0-9a-f-]{36}$/);
        expect(Object.values(result.headers).every((text) => typeof text === "string")).toBe(true);
      }),
      { numRuns: 3_000 },
    );
  });

  test("every payload that the server could send comes through", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 40 });
    const payloads = fc.record(
      {
        v: fc.constant(1 as const),
        type: fc.constantFrom("call" as const, "message" as const),
        id: fc.uuid(),
        until: fc.nat(),
        to: text,
        from: text,
        name: text,
        video: fc.constant(true as const),
        headers: fc.dictionary(text, text),
      },
      { requiredKeys: ["v", "type", "id", "until"] },
    );
    fc.assert(
      fc.property(payloads, (payload) => {
        const result = query({ data: { sin: JSON.stringify(payload) } }, 0);
        expect(result).toMatchObject({ valid: true, isCall: payload.type === "call" });
        expect([result.userId, result.remoteUserId, result.displayName]).toEqual([
          payload.to,
          payload.from,
          payload.name,
        ]);
        expect(Object.entries(result.headers)).toEqual(Object.entries(payload.headers ?? {}));
      }),
    );
  });

  test("a prototype cannot be put under anything", () => {
    const evil = `{"v":1,"type":"call","id":"${callId}","until":${until},"headers":{"__proto__":"x"},"__proto__":{"to":"bob"}}`;
    const result = query(evil, 0);
    expect(result.userId).toBeUndefined();
    expect(Object.getPrototypeOf(result)).toBe(Object.prototype);
    expect(Object.getPrototypeOf(result.headers)).toBe(Object.prototype);
    expect(Object.keys(result.headers)).toEqual(["__proto__"]);
    expect(({} as Record<string, unknown>).to).toBeUndefined();
  });

  test("text within text within text ends", () => {
    let deep: unknown = call;
    for (let n = 0; n < 8; n++) deep = { data: JSON.stringify(deep) };
    expect(query(deep, 0)).toEqual(nothing);
    expect(query(`${"[".repeat(200_000)}`, 0)).toEqual(nothing);
  });
});

test("it needs nothing but the language: no atob, no TextDecoder, no URL, no page", async () => {
  const entry = new URL("./notification.ts", import.meta.url).pathname;
  const contents = `
    import { queryPushNotificationPayload } from ${JSON.stringify(entry)};
    console.log(JSON.stringify(queryPushNotificationPayload({ aps: {}, sin: ${JSON.stringify(sin)} }, 0)));`;
  const bare = `const out = console.log; for (const name of Object.getOwnPropertyNames(globalThis))
    if (!["Object","Array","JSON","Number","String","Date","console","undefined","globalThis"].includes(name)) delete globalThis[name];`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: "." },
    bundle: true,
    format: "iife",
    platform: "neutral",
    target: "es2020",
    write: false,
    minify: true,
    banner: { js: bare },
  });
  const script = outputFiles[0]?.text ?? "";
  expect(script.length).toBeLessThan(2_500);
  const file = join(mkdtempSync(join(tmpdir(), "carillon-sdk-")), "bare.js");
  writeFileSync(file, script);
  const output = execFileSync(process.execPath, [file], { encoding: "utf8" });
  expect(JSON.parse(output)).toEqual(JSON.parse(JSON.stringify(query(sin, 0))));
});

test("a cancel push that says no reason is one of a call that was canceled", () => {
  expect(query({ ...call, type: "cancel", cause: undefined }).canceled).toBe("canceled");
});

test("what an app does to the headers that it was given changes no push", () => {
  const headers = { order: "4711" };
  query({ ...call, headers }).headers.order = "other";
  expect(headers).toEqual({ order: "4711" });
});
