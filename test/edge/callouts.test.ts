/** `POST /calling/v1/callouts`: what a room is asked to do, what is refused, and a request that comes twice. */
import { createExecutionContext } from "cloudflare:test";
import { describe, expect, test } from "vitest";
import { writeCallRecord } from "../../core/calls/archive";
import type { Callout } from "../../durable-objects/conference-room/rpc";
import type { Env } from "../../durable-objects/env";
import { type ErrorName, fail, isUuid, ok } from "../../protocol";
import { app as edge } from "../../workers/app";
import { basic, bindings, newApplication } from "./support";

const application = await newApplication();

/** A stand-in for the rooms, which know a call by its id, as rooms do. */
function rooms(refusal?: ErrorName) {
  const callouts: Callout[] = [];
  const callOut = (callout: Callout) => {
    if (refusal) return fail(refusal);
    if (callouts.some(({ callId }) => callId === callout.callId)) return fail("conflict");
    callouts.push(callout);
    return ok({ callId: callout.callId });
  };
  const namespace = { idFromName: (name: string) => name, get: () => ({ callOut }) };
  const env = { ...bindings, CONFERENCE_ROOM: namespace as unknown as Env["CONFERENCE_ROOM"] };
  const post = async (body: unknown, headers: Record<string, string> = {}, app = application) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const sent = new Request("https://carillon.test/calling/v1/callouts", {
      ...{ method: "POST", body: text, headers: { ...basic(app), ...headers } },
    });
    const answer = await edge.fetch(sent, env, createExecutionContext());
    return { status: answer.status, body: JSON.parse(await answer.text()) };
  };
  return { callouts, post };
}

const bob = { type: "username", endpoint: "bob" };
const callout = (more: object = {}) => ({
  method: "conferenceCallout",
  conferenceCallout: { destination: bob, conferenceId: "room", ...more },
});

/** What the room is asked for, without what is always there. */
async function askedFor(more: object) {
  const { callouts, post } = rooms();
  const { status, body } = await post(callout(more));
  if (status !== 200) return body;
  const { applicationKey, reference, callId, ...rest } = callouts[0] as Callout;
  expect(body).toEqual({ callId });
  expect([applicationKey, isUuid(callId), reference]).toEqual([application.key, true, expect.any(String)]);
  return rest;
}

const asked = (to: object, more: object = {}) => ({
  ...{ conferenceId: "room", video: false, headers: {}, to: { applicationKey: application.key, ...to } },
  ...more,
});

describe("whom it calls", () => {
  test.each([
    [bob, { userId: "bob" }],
    [{ type: "Username", endpoint: "a@b" }, { userId: "a@b" }],
    [
      { type: "number", endpoint: "+46701234567" },
      { userId: "+46701234567", line: "phone" },
    ],
    [
      { type: "Number", endpoint: "+14155550101" },
      { userId: "+14155550101", line: "phone" },
    ],
    [
      { type: "sip", endpoint: "sip:bob@Example.com" },
      { userId: "bob@example.com", line: "sip" },
    ],
    // A user may have such an id.
    [{ type: "username", endpoint: "+46701234567" }, { userId: "+46701234567" }],
  ])("%j", async (destination, to) => {
    expect(await askedFor({ destination })).toEqual(asked(to));
  });

  test.each<[object, string]>([
    [{ type: "username", endpoint: `bob@${application.key}` }, "endpoint"],
    [{ type: "username", endpoint: "" }, "endpoint"],
    [{ type: "username", endpoint: "x".repeat(41) }, "endpoint"],
    [{ type: "username", endpoint: "a b" }, "endpoint"],
    [{ type: "number", endpoint: "46701234567" }, "endpoint"],
    [{ type: "number", endpoint: "0701234567" }, "endpoint"],
    [{ type: "number", endpoint: "+46000000000" }, "endpoint"],
    [{ type: "sip", endpoint: "example.com" }, "endpoint"],
    [{ type: "sip", endpoint: "bob@example.com\r\nX-Evil: 1" }, "endpoint"],
    [{ type: "did", endpoint: "+46701234567" }, "type"],
    [{ type: "stream", endpoint: "wss://example.com" }, "type"],
    [{ type: "constructor", endpoint: "bob" }, "type"],
  ])("not %j", async (destination, field) => {
    const { errorCode, detail } = await askedFor({ destination });
    expect([errorCode, detail]).toEqual([
      40002,
      expect.stringMatching(`^conferenceCallout\\.destination\\.${field}: `),
    ]);
  });
});

describe("what it says", () => {
  test("cli is who seems to call, and headers reach the callee", async () => {
    const callHeaders = [
      { key: "x-order", value: "7" },
      { key: "x-why", value: "é" },
    ];
    expect(await askedFor({ cli: "+14045001000", callHeaders })).toEqual(
      asked({ userId: "bob" }, { displayName: "+14045001000", headers: { "x-order": "7", "x-why": "é" } }),
    );
  });

  test("what has no effect does no harm", async () => {
    const more = {
      ...{
        cli: null,
        domain: "mxp",
        custom: "custom",
        locale: "en-US",
        greeting: "Welcome",
        mohClass: "music1",
      },
      ...{ maxDuration: 14_400, enableAce: true, enableDice: true, enablePie: true, dtmf: "" },
      ...{ conferenceDtmfOptions: { mode: "ignore" }, somethingNew: 1, callHeaders: null },
    };
    expect(await askedFor(more)).toEqual(asked({ userId: "bob" }));
    const destination = { type: "number", endpoint: "+46701234567" };
    expect(await askedFor({ destination, enableAce: false, maxDuration: 0 })).toEqual(
      asked({ userId: "+46701234567", line: "phone" }),
    );
  });

  test.each<[object, number, string]>([
    [{ conferenceId: "" }, 40002, "conferenceId"],
    [{ conferenceId: "x".repeat(65) }, 40002, "conferenceId"],
    [{ conferenceId: "a\nb" }, 40002, "conferenceId"],
    [{ conferenceId: "\ud83d" }, 40002, "conferenceId"],
    [{ conferenceId: undefined }, 40001, "conferenceId"],
    [{ conferenceId: 7 }, 40001, "conferenceId"],
    [{ destination: undefined }, 40001, "destination"],
    [{ destination: "bob" }, 40001, "destination"],
    [{ destination: { type: "username" } }, 40001, "destination.endpoint"],
    [{ cli: "é".repeat(65) }, 40001, "cli"],
    [{ callHeaders: { "x-a": "b" } }, 40001, "callHeaders"],
    [{ callHeaders: [{ key: "x-a" }] }, 40001, "callHeaders.0.value"],
    [{ callHeaders: [{ key: "x-a", value: "x".repeat(1_022) }] }, 40003, "callHeaders"],
    [{ dtmf: "ww1234#" }, 40002, "dtmf"],
    [{ maxDuration: 60 }, 40002, "maxDuration"],
    [{ maxDuration: "60" }, 40001, "maxDuration"],
    [{ destination: { type: "number", endpoint: "+46701234567" }, enableAce: true }, 40002, "enableAce"],
    [{ destination: { type: "sip", endpoint: "a@b.example" }, enableAce: true }, 40002, "enableAce"],
    [
      { destination: { type: "sip", endpoint: "a@b.example" }, callHeaders: [{ key: "order", value: "7" }] },
      40002,
      "callHeaders",
    ],
  ])("%j is refused", async (more, code, field) => {
    const { errorCode, detail } = await askedFor(more);
    expect([errorCode, detail]).toEqual([code, expect.stringMatching(`^conferenceCallout\\.${field}: `)]);
  });

  test("any id is the id of a conference", async () => {
    for (const conferenceId of ["..", "a/b", "%2F", " ", "🎉".repeat(64), "__proto__"])
      expect(await askedFor({ conferenceId })).toEqual(asked({ userId: "bob" }, { conferenceId }));
  });

  test.each([
    ["{", 40001, "JSON"],
    ["[]", 40001, "body"],
    ["{}", 40001, "method"],
    ['{"method":"conferenceCallout"}', 40001, "conferenceCallout"],
    ['{"method":"ttsCallout","ttsCallout":{}}', 40002, "method"],
    ['{"method":"customCallout"}', 40002, "method"],
    ['{"method":"constructor"}', 40002, "method"],
  ])("%s is refused", async (body, code, detail) => {
    const answer = await rooms().post(body);
    expect([answer.status, answer.body.errorCode]).toEqual([400, code]);
    expect(answer.body.detail).toContain(detail);
  });

  test.each<[ErrorName, number]>([
    ["conferenceFull", 409],
    ["hostMissing", 409],
    ["conflict", 409],
    ["rateLimited", 429],
    ["unavailable", 503],
  ])("the room's %s is the answer", async (name, status) => {
    const answer = await rooms(name).post(callout());
    expect([answer.status, answer.body.name]).toEqual([status, name]);
  });
});

describe("the same request again", () => {
  const key = { "idempotency-key": "order 7" };

  test("makes another call, unless it has a key", async () => {
    const { callouts, post } = rooms();
    await post(callout());
    await post(callout());
    expect(new Set(callouts.map(({ callId }) => callId)).size).toBe(2);
  });

  test("with a key is one call, while it lasts and after it is over", async () => {
    const { callouts, post } = rooms();
    const first = await post(callout(), key);
    expect(isUuid(first.body.callId)).toBe(true);
    expect(await post(callout(), key)).toEqual(first);
    expect(callouts).toHaveLength(1);
    await writeCallRecord(bindings.DB, {
      ...{ applicationKey: application.key, callId: first.body.callId, callerUserId: "room", video: false },
      ...{ calleeApplicationKey: application.key, calleeUserId: "bob", callerLine: "conference" },
      ...{ times: { started: 1, ended: 2 }, endCause: "noAnswer" },
    });
    // A room that has forgotten it.
    const later = rooms();
    expect(await later.post(callout(), key)).toEqual(first);
    expect(later.callouts).toEqual([]);
  });

  test("a key is one of its application", async () => {
    const { callouts, post } = rooms();
    const other = await newApplication();
    await post(callout(), { "idempotency-key": "one" });
    await post(callout(), { "idempotency-key": "another" });
    await post(callout(), { "idempotency-key": "one" }, other);
    expect(new Set(callouts.map(({ callId }) => callId)).size).toBe(3);
  });

  test.each(["", "x".repeat(129)])("a key has 1 to 128 characters, not %j", async (long) => {
    const { callouts, post } = rooms();
    const { body } = await post(callout(), { "idempotency-key": long });
    expect([body.errorCode, body.detail]).toEqual([40001, expect.stringMatching("^idempotency-key: ")]);
    expect(callouts).toEqual([]);
  });

  test("what is refused is refused again, and may be mended with the same key", async () => {
    const mended = { "idempotency-key": "mended" };
    expect((await rooms("conferenceFull").post(callout(), mended)).status).toBe(409);
    expect((await rooms().post(callout(), mended)).status).toBe(200);
  });
});
