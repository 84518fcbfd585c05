/**
 * Whatever comes in: never a 5xx, and always an answer of the known shape. The seed is fixed, so
 * that a failure repeats.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { errorTable, statusOf } from "../../protocol";
import { apnsBody, fcmBody, serviceAccount, subject, vapidBody, webPushPair } from "./push-material";
import {
  type Answer,
  adminHeaders,
  basic,
  bearer,
  fetchWorker,
  isErrorBody,
  newApplication,
  newInstance,
  request,
  tokenRegistration,
} from "./support";

const app = await newApplication("fuzz");
const other = await newApplication("fuzz");
const alice = await newInstance(app, "alice");

const run = <T>(cases: number, arbitrary: fc.Arbitrary<T>, check: (value: T) => Promise<void>) =>
  fc.assert(fc.asyncProperty(arbitrary, check), {
    numRuns: cases,
    seed: 20_261_120,
    interruptAfterTimeLimit: 40_000,
    markInterruptAsFailure: true,
  });

function expectSound({ status, body, text }: Answer): void {
  expect(status).toBeLessThan(500);
  if (status < 400) return;
  if (!isErrorBody(body)) throw new Error(`not an error body: ${text.slice(0, 200)}`);
  expect(errorTable[body.name].code).toBe(body.errorCode);
  expect(statusOf(body)).toBe(status);
}

/** A lone surrogate cannot be sent. */
const wellFormed = (text: string) => new TextDecoder().decode(new TextEncoder().encode(text));

// ---- values -------------------------------------------------------------------------------------

const oddText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 80 }),
  fc.string({ unit: "grapheme", maxLength: 80 }),
  fc.constantFrom(
    "",
    "\0",
    "__proto__",
    "constructor",
    "' OR 1=1 --",
    "../..",
    "%00",
    "\ud800",
    "\u202e",
    "*",
  ),
);
const ids = fc.constantFrom(
  app.key,
  other.key,
  alice.instanceId,
  "alice",
  "00000000-0000-4000-8000-000000000000",
);
const oddNumber = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(-0, 2 ** 53, 1e308, -1));
const value: fc.Arbitrary<unknown> = fc.oneof(
  oddText,
  ids,
  oddNumber,
  fc.jsonValue(),
  fc.constant(undefined),
);
const deep = fc.integer({ min: 1, max: 20_000 }).map((depth) => "[".repeat(depth) + "]".repeat(depth));
const huge = fc.integer({ min: 1, max: 200_000 }).map((size) => JSON.stringify({ userId: "x".repeat(size) }));
const body = fc.oneof(
  fc.json(),
  fc.string({ unit: "binary" }),
  deep,
  huge,
  fc.constantFrom("", "{", "null", '{"a":1e999}'),
);

const segment = fc.oneof(oddText, ids).map((text) => encodeURIComponent(wellFormed(text)));
const rawSegment = fc.oneof(
  segment,
  fc.constantFrom("%", "%zz", "%c3", "..", ".", "*", "%2e%2e", "%252F", "", "a b", "?", "#"),
);
const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS");
const headers = fc.oneof(
  fc.constantFrom({}, basic(app), bearer(alice.token), adminHeaders(), basic(other), bearer("x")),
  fc
    .tuple(fc.constantFrom("Application", "Basic", "Bearer", "Digest", ""), fc.string({ maxLength: 60 }), ids)
    .map(([scheme, text, id]) => ({ authorization: `${scheme} ${id}:${text}`.trim() })),
);

/** Some of the good fields are replaced by odd ones. */
function spoiled(good: Record<string, unknown>): fc.Arbitrary<Record<string, unknown>> {
  return fc
    .dictionary(fc.constantFrom(...Object.keys(good), "more"), value, { maxKeys: 3, noNullPrototype: true })
    .map((change) => ({ ...good, ...change }));
}

const json = (what: unknown) => wellFormed(JSON.stringify(what) ?? "");

// ---- the endpoints ------------------------------------------------------------------------------

test("registration: anything for a body", () =>
  run(300, body, async (text) => expectSound(await request("POST", "/v1/instances", { body: text }))));

test("registration: odd fields among good ones", async () => {
  const good = {
    ...(await tokenRegistration(app, "carol")),
    deviceId: "d",
    signature: undefined,
    sequence: 1,
  };
  await run(500, spoiled(good), async (what) => {
    expectSound(await request("POST", "/v1/instances", { body: json(what) }));
  });
});

test("registration: a token is no better than its signature", async () => {
  const { token } = await tokenRegistration(app, "carol");
  const change = fc.tuple(fc.nat(token.length - 1), fc.constantFrom("", "A", ".", "=", "-", "é", "\0"));
  await run(300, change, async ([at, character]) => {
    const changed = token.slice(0, at) + character + token.slice(at + 1);
    if (changed === token) return;
    const what = { applicationKey: app.key, userId: "carol", token: changed };
    const answer = await request("POST", "/v1/instances", { body: json(what) });
    expectSound(answer);
    // Other spellings of the same last bits are the same signature (RFC 4648, 3.5).
    if (at < token.length - 1) expect(answer.status).not.toBe(201);
  });
});

test("statistics: odd fields among good ones", async () => {
  const good = {
    callId: alice.instanceId,
    direction: "outgoing",
    endCause: "hungUp",
    setup: { ended: 1 },
    mos: 4,
    userAgent: "u",
    sdk: "s",
  };
  await run(400, spoiled(good), async (what) => {
    expectSound(await request("POST", "/v1/statistics", { body: json(what), headers: bearer(alice.token) }));
  });
});

test("messages: odd fields among good ones", async () => {
  const good = { sender: "alice", recipients: ["alice", "bob"], text: "hi", headers: { a: "b" } };
  await run(400, spoiled({ ...good, messageId: undefined }), async (what) => {
    expectSound(await request("POST", "/v1/messages", { body: json(what), headers: basic(app) }));
  });
});

test("messages: odd queries", async () => {
  const names = ["userId", "participants", "with", "sender", "before", "limit"];
  const cursors = [btoa("1 2 3"), btoa(`1 ${alice.instanceId} alice`), btoa("9".repeat(99))];
  const odd = fc.oneof(oddText, ids, fc.constantFrom("1", "100", ...cursors));
  const paths = ["/v1/messages", `/v1/messages/${alice.instanceId}`, "/v1/history"];
  const query = fc.array(fc.tuple(fc.constantFrom(...names), odd), { maxLength: 5 });
  await run(400, fc.tuple(fc.constantFrom(...paths), query), async ([path, pairs]) => {
    const search = new URLSearchParams(pairs.map(([name, text]) => [name, wellFormed(text)]));
    const credentials = path.endsWith("history") ? bearer(alice.token) : basic(app);
    expectSound(await request("GET", `${path}?${search}`, { headers: credentials }));
  });
});

test("push credentials: odd fields among good ones", async () => {
  const apns = { ...(await apnsBody()), bundleId: "com.example.app", environment: "production" };
  const generated = { provider: "webpush", generate: true, subject };
  const file = spoiled(serviceAccount()).map((serviceAccount) => ({ ...fcmBody(), serviceAccount }));
  const upload = fc.oneof(
    spoiled(apns),
    file,
    spoiled(fcmBody()),
    spoiled(await vapidBody()),
    spoiled(generated),
  );
  await run(400, upload, async (what) => {
    expectSound(await request("PUT", "/v1/push/credentials", { body: json(what), headers: basic(app) }));
  });
});

test("push credentials: a damaged key is refused, and says nothing of itself", async () => {
  const { privateKey, ...rest } = await apnsBody();
  const change = fc.tuple(
    fc.nat(privateKey.length - 1),
    fc.constantFrom("", "A", "-", "\n", "é", "\0", "\\n"),
  );
  await run(300, change, async ([at, character]) => {
    const what = { ...rest, privateKey: privateKey.slice(0, at) + character + privateKey.slice(at + 1) };
    const answer = await request("PUT", "/v1/push/credentials", { body: json(what), headers: basic(app) });
    expectSound(answer);
    expect(answer.text).not.toContain(privateKey.slice(40, 80).trim());
  });
});

test("push devices, push data, declining: odd fields among good ones", async () => {
  const { publicKey: p256dh } = await webPushPair();
  const keys = { p256dh, auth: "AAAAAAAAAAAAAAAAAAAAAA" };
  const apns = {
    bundleId: "com.example.app",
    environment: "production",
    alertToken: "ab".repeat(32),
    type: "auto",
  };
  const endpoint = fc
    .tuple(fc.constantFrom("https://fcm.googleapis.com", "http://", "https://", ""), oddText)
    .map(([start, rest]) => start + rest);
  const browser = fc.tuple(endpoint, spoiled(keys)).map(([where, odd]) => ({
    provider: "webpush",
    endpoint: where,
    keys: odd,
    applicationServerKey: p256dh,
  }));
  const device = fc.oneof(
    spoiled({ provider: "apns", ...apns, sound: "default", mutableContent: true }),
    spoiled({ provider: "fcm", token: "t", projectId: "p" }),
    spoiled({
      provider: "webpush",
      endpoint: "https://fcm.googleapis.com/x",
      keys,
      applicationServerKey: p256dh,
    }),
    browser,
  );
  const data = spoiled({ data: "YQ==" });
  const call = {
    applicationKey: app.key,
    userId: "alice",
    callId: alice.instanceId,
    origin: other.key,
    key: "k",
  };
  const anything = fc.oneof(
    device.map((what) => ["PUT", "device", what] as const),
    data.map((what) => ["PUT", "data", what] as const),
    spoiled(call).map((what) => ["POST", "decline", what] as const),
  );
  await run(600, anything, async ([verb, path, what]) => {
    expectSound(await request(verb, `/v1/push/${path}`, { body: json(what), headers: bearer(alice.token) }));
  });
});

test("push feedback: odd queries", async () => {
  const odd = fc.oneof(
    oddText,
    ids,
    fc.constantFrom("1", "999999999999999", "2026-01-01", "1.AAAAAAAAAAAAAAAA"),
  );
  const query = fc.array(fc.tuple(fc.constantFrom("since", "cursor", "limit"), odd), { maxLength: 3 });
  await run(200, query, async (pairs) => {
    const search = new URLSearchParams(pairs.map(([name, text]) => [name, wellFormed(text)]));
    expectSound(await request("GET", `/v1/push/feedback?${search}`, { headers: basic(app) }));
  });
});

test("administration: odd bodies", async () => {
  const paths = [
    "/v1/admin/applications",
    `/v1/admin/applications/${other.key}/users/alice/token`,
    "/v1/admin/accounts/fuzz",
  ];
  const good = { name: "x", account: "fuzz", ttlSeconds: 60, allowCrossApplication: false };
  await run(300, fc.tuple(fc.constantFrom(...paths), spoiled(good)), async ([path, what]) => {
    const verb = path.includes("accounts") ? "PATCH" : "POST";
    expectSound(await request(verb, path, { body: json(what), headers: adminHeaders() }));
  });
});

test("trunks: odd fields among good ones", async () => {
  const good = {
    name: "x",
    url: "wss://gateway.example.com",
    user: "u",
    password: "p",
    fromDomain: "example.com",
    callerId: "+46701740605",
    preference: 1,
    prefixes: ["+46"],
    domains: ["example.com"],
  };
  await run(300, spoiled(good), async (what) => {
    const answer = await request("POST", "/v1/trunks", { body: json(what), headers: basic(app) });
    expectSound(answer);
    expect(answer.text).not.toContain('"password"');
    if (answer.status === 201)
      await request("DELETE", `/v1/trunks/${answer.body.id}`, { headers: basic(app) });
  });
});

test("money: odd amounts, odd keys, odd rate cards", async () => {
  const good = { amount: 1, key: "k", note: "n", applicationKey: app.key, callId: alice.instanceId };
  const path = fc.constantFrom("/v1/admin/accounts/fuzz/top-ups", "/v1/admin/accounts/fuzz/refunds");
  await run(300, fc.tuple(path, spoiled(good)), async ([where, what]) => {
    expectSound(await request("POST", where, { body: json(what), headers: adminHeaders() }));
  });
  const line = fc.oneof(
    fc.constant("46,Sweden,0.1,0,60"),
    oddText,
    fc
      .array(fc.oneof(oddText, fc.constantFrom("46", "0.1", "60", '"a"', "1e9")), { maxLength: 7 })
      .map(String),
  );
  const card = fc
    .array(line, { maxLength: 5 })
    .map((lines) => wellFormed(["prefix,name,perMinute,connectFee,increment", ...lines].join("\n")));
  await run(300, fc.oneof(card, body), async (text) => {
    expectSound(await request("PUT", "/v1/admin/rates", { body: text, headers: adminHeaders() }));
  });
  await run(100, oddText, async (odd) => {
    const query = `cursor=${encodeURIComponent(wellFormed(odd))}&since=${encodeURIComponent(wellFormed(odd))}`;
    expectSound(await request("GET", `/v1/credits/ledger?${query}`, { headers: basic(app) }));
  });
});

test("conferences: odd ids, odd participants, odd commands", async () => {
  const where = fc.oneof(
    fc.array(rawSegment, { maxLength: 3 }).map((segments) => `id/${segments.join("/")}`),
    fc.tuple(rawSegment, ids).map(([id, callId]) => `id/${id}/${callId}`),
    fc.tuple(rawSegment, segment).map(([id, callId]) => `id?conferenceId=${id}&callId=${callId}`),
  );
  const verb = fc.constantFrom("GET", "PATCH", "DELETE");
  const anything = fc.tuple(verb, where, spoiled({ command: "mute", moh: "ring" }));
  await run(400, anything, async ([verb, rest, what]) => {
    const sent = { ...(verb === "PATCH" && { body: json(what) }), headers: basic(app) };
    const answer = await request(verb, `/calling/v1/conferences/${rest}`, sent);
    expectSound(answer);
    // Nobody is in any.
    expect(answer.status).toBeGreaterThanOrEqual(400);
  });
});

test("callouts: odd fields among good ones, odd keys", async () => {
  const good = {
    conferenceId: "room",
    cli: "Stand-up",
    callHeaders: [{ key: "x-a", value: "b" }],
    maxDuration: 14_400,
    enableAce: false,
    dtmf: "",
  };
  const destination = spoiled({ type: "username", endpoint: "alice" });
  const key = fc.option(fc.string({ maxLength: 140 }), { nil: undefined });
  await run(300, fc.tuple(spoiled(good), destination, key), async ([what, to, named]) => {
    const conferenceCallout = { destination: to, ...what };
    const headers = { ...basic(app), ...(named !== undefined && latin({ "idempotency-key": named })) };
    const sent = { body: json({ method: "conferenceCallout", conferenceCallout }), headers };
    expectSound(await request("POST", "/calling/v1/callouts", sent));
  });
  await run(200, body, async (text) =>
    expectSound(await request("POST", "/calling/v1/callouts", { body: text, headers: basic(app) })),
  );
});

test("any method on any path with any credentials and any query", async () => {
  const resource = fc.constantFrom(
    "users",
    "messages",
    "history",
    "calls",
    "instances",
    "statistics",
    "ice-servers",
    "push",
    "connect",
    "credits",
    "trunks",
    "admin",
    "x",
  );
  const rest = fc.array(
    fc.oneof(
      rawSegment,
      fc.constantFrom("instances", "presence", "block", "renew", "accounts", "applications"),
      fc.constantFrom("ledger", "trunks", "check", "rates", "top-ups", "refunds"),
      fc.constantFrom("device", "data", "web", "decline", "feedback", "credentials"),
    ),
    { maxLength: 4 },
  );
  const query = fc.dictionary(
    fc.constantFrom("limit", "cursor", "userId", "participants", "before", "x"),
    oddText,
    {
      maxKeys: 3,
      noNullPrototype: true,
    },
  );
  const anything = fc.tuple(method, resource, rest, query, headers, fc.option(body));
  await run(900, anything, async ([verb, first, segments, search, credentials, text]) => {
    const path = `/v1/${[first, ...segments].join("/")}`;
    const pairs = Object.entries(search).map(([name, odd]) => [name, wellFormed(odd)]);
    const withQuery =
      path.includes("?") || path.includes("#") ? path : `${path}?${new URLSearchParams(pairs)}`;
    const bodied = verb !== "GET" && verb !== "HEAD" && text !== null;
    const init = { method: verb, headers: latin(credentials), body: bodied ? text : undefined };
    const response = await fetchWorker(withQuery, init);
    const answer = await response.text();
    expect(response.status).toBeLessThan(500);
    const api = new URL(response.url || `https://carillon.test${withQuery}`).pathname.startsWith("/v1/");
    if (response.status >= 400 && verb !== "HEAD" && api) expect(isErrorBody(JSON.parse(answer))).toBe(true);
  });
});

/** What a header may carry. */
function latin(credentials: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(credentials).map(([name, text]) => [name, text.replace(/[^ -~]/g, "?")]),
  );
}
