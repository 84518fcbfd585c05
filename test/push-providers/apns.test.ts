import { generateKeyPairSync } from "node:crypto";
import { connect } from "node:http2";
import {
  ApnsClient,
  type ApnsError,
  Notification,
  type NotificationOptions,
  Priority,
  PushType,
} from "apns2";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Providers, startProviders } from "../../scripts/dev/push/providers.mjs";
import { tls } from "./tls";

const bundleId = "com.example.phone";
const [keyId, teamId] = ["ABC123DEFG", "TEAM123456"];
const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: typeof publicKey, type: "spki" | "pkcs8") => String(key.export({ type, format: "pem" }));
const key = { keyId, teamId, publicKey: pem(publicKey, "spki") };

let providers: Providers;
let apple: ApnsClient;
const clients: ApnsClient[] = [];

/** `apns2`, which knows only Apple's own hosts and port. */
function client(environment: "production" | "development" = "production", team = teamId): ApnsClient {
  const made = new ApnsClient({ team, keyId, signingKey: pem(privateKey, "pkcs8") });
  const Pool = made.client.constructor as new (origin: string, options: object) => typeof made.client;
  const pool = new Pool(providers.apns.url[environment], {
    allowH2: true,
    connect: { ca: tls.cert },
    connections: 1,
  });
  made.client.destroy();
  Object.assign(made, { client: pool });
  clients.push(made);
  return made;
}

beforeEach(async () => {
  providers = await startProviders({ tls });
  providers.apns.addKey(key);
  apple = client();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((one) => one.destroy()));
  await providers.close();
});

const alert = { alert: { title: "a", body: "b" }, topic: bundleId };
const voip = { type: PushType.voip, topic: `${bundleId}.voip`, data: { sin: "hello" } };

async function refusal(token: string, options: NotificationOptions, by = apple) {
  const error: ApnsError = await by.send(new Notification(token, options)).then(
    () => expect.unreachable("it was taken"),
    (reason) => reason,
  );
  return `${error.statusCode} ${error.reason}`;
}

describe("with apns2, over HTTP/2", () => {
  it("takes a VoIP push and writes down what arrived", async () => {
    const token = providers.apns.addDevice({ bundleId, type: "voip" });
    await apple.send(new Notification(token, { ...voip, expiration: 1_900_000_000, collapseId: "call" }));
    expect(providers.book.pushes).toMatchObject([
      {
        number: 1,
        provider: "apns",
        token,
        sin: "hello",
        body: { aps: {}, sin: "hello" },
        headers: {
          "apns-topic": `${bundleId}.voip`,
          "apns-push-type": "voip",
          "apns-expiration": "1900000000",
          "apns-collapse-id": "call",
        },
        credential: keyId,
        http: "2.0",
        delivered: true,
        answer: { status: 200 },
      },
    ]);
    expect(providers.book.pushes[0]?.headers).not.toHaveProperty("authorization");
  });

  it("takes an alert, and a background push with priority 5", async () => {
    const token = providers.apns.addDevice({ bundleId });
    await apple.send(new Notification(token, alert));
    const silent = { type: PushType.background, priority: Priority.throttled, contentAvailable: true };
    await apple.send(new Notification(token, { ...silent, topic: bundleId }));
    expect(providers.book.pushes.map(({ delivered }) => delivered)).toEqual([true, true]);
  });

  it("goes by the environment", async () => {
    const token = providers.apns.addDevice({ bundleId, environment: "development" });
    expect(await refusal(token, alert)).toBe("400 BadDeviceToken");
    const sandbox = client("development");
    Object.assign(sandbox, { _token: Reflect.get(apple, "_token") });
    await sandbox.send(new Notification(token, alert));
  });

  const silent = { type: PushType.background, contentAvailable: true, topic: bundleId };
  const throttled = { priority: Priority.throttled };
  const bytes = (count: number) => ({ data: { sin: "x".repeat(count) } });
  it.each<[string, NotificationOptions, string]>([
    ["no topic", { alert: "a" }, "400 MissingTopic"],
    ["what is no topic", { ...alert, topic: "com" }, "400 BadTopic"],
    [
      "a topic that the token is not for",
      { ...alert, topic: "com.example.other" },
      "400 DeviceTokenNotForTopic",
    ],
    ["an alert to the topic of calls", { ...alert, topic: `${bundleId}.voip` }, "400 InvalidPushType"],
    ["a VoIP push to the app's topic", { ...voip, topic: bundleId }, "400 InvalidPushType"],
    ["an alert that shows nothing", { topic: bundleId, data: { sin: "x" } }, "400 InvalidPushType"],
    [
      "a background push that shows something",
      { ...silent, ...throttled, alert: "a" },
      "400 InvalidPushType",
    ],
    ["a background push of priority 10", silent, "400 BadPriority"],
    ["milliseconds instead of seconds", { ...alert, expiration: 1_900_000_000_000 }, "400 BadExpirationDate"],
    ["a long collapse id", { ...alert, collapseId: "ä".repeat(33) }, "400 BadCollapseId"],
    ["more than 4,096 bytes", { ...alert, ...bytes(4_096) }, "413 PayloadTooLarge"],
  ])("refuses %s", async (_, options, expected) => {
    const token = providers.apns.addDevice({ bundleId });
    expect(await refusal(token, options)).toBe(expected);
    expect(providers.book.pushes).toMatchObject([{ delivered: false }]);
  });

  it("takes 5,120 bytes of a VoIP push, and not one more", async () => {
    const token = providers.apns.addDevice({ bundleId, type: "voip" });
    const frame = JSON.stringify({ aps: {}, sin: "" }).length;
    const most = { ...voip, ...bytes(5_120 - frame) };
    await apple.send(new Notification(token, most));
    expect(providers.book.pushes[0]?.bytes).toBe(5_120);
    expect(await refusal(token, { ...voip, ...bytes(5_121 - frame) })).toBe("413 PayloadTooLarge");
  });

  it("knows its devices", async () => {
    expect(await refusal("ab".repeat(32), alert)).toBe("400 BadDeviceToken");
    const voipToken = providers.apns.addDevice({ bundleId, type: "voip" });
    expect(await refusal(voipToken, alert)).toBe("400 DeviceTokenNotForTopic");
    const token = providers.apns.addDevice({ bundleId });
    providers.apns.unregister(token, 1_700_000_000_123);
    const gone = await apple.send(new Notification(token, alert)).catch((error) => error);
    expect(gone).toMatchObject({ statusCode: 410, reason: "Unregistered", timestamp: 1_700_000_000_123 });
  });

  it("wants a team's key, and a key for the app", async () => {
    const token = providers.apns.addDevice({ bundleId });
    expect(await refusal(token, alert, client("production", "TEAM999999"))).toBe("403 InvalidProviderToken");
    providers.apns.addKey({ ...key, bundleIds: ["com.example.other"] });
    expect(await refusal(token, alert)).toBe("400 TopicDisallowed");
    providers.apns.addKey({ ...key, environment: "development" });
    expect(await refusal(token, alert)).toBe("403 BadEnvironmentKeyIdInToken");
    const { publicKey: other } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    providers.apns.addKey({ ...key, publicKey: pem(other, "spki") });
    expect(await refusal(token, alert)).toBe("403 InvalidProviderToken");
  });

  it("wants a token that is younger than an hour, and no other for 20 minutes", async () => {
    const token = providers.apns.addDevice({ bundleId });
    await apple.send(new Notification(token, alert));
    await apple.send(new Notification(token, alert));
    expect(providers.apns.mints(keyId)).toBe(1);
    expect(await refusal(token, alert, client())).toBe("429 TooManyProviderTokenUpdates");
    providers.clock.advance(20 * 60_000);
    await client().send(new Notification(token, alert));
    await apple.send(new Notification(token, alert));
    expect(providers.apns.mints(keyId)).toBe(2);
    providers.clock.advance(41 * 60_000);
    expect(await refusal(token, alert)).toBe("403 ExpiredProviderToken");
  });

  it("makes the trouble that it is told to make, for one device and so often", async () => {
    const [one, other] = [providers.apns.addDevice({ bundleId }), providers.apns.addDevice({ bundleId })];
    const down = { kind: "refuse", status: 503, reason: "ServiceUnavailable" } as const;
    providers.apns.desk.trouble(down, { token: one, times: 2 });
    await apple.send(new Notification(other, alert));
    expect(await refusal(one, alert)).toBe("503 ServiceUnavailable");
    expect(await refusal(one, alert)).toBe("503 ServiceUnavailable");
    await apple.send(new Notification(one, alert));
    providers.apns.desk.trouble({ kind: "refuse", status: 500, reason: "InternalServerError" });
    expect(await refusal(other, alert)).toBe("500 InternalServerError");
    providers.calm();
    await apple.send(new Notification(other, alert));
  });

  it("cuts the connection half-way", async () => {
    const token = providers.apns.addDevice({ bundleId });
    providers.apns.desk.trouble({ kind: "cut" }, { times: 1 });
    const sent = new Notification(token, alert);
    const failed = await apple.send(sent).catch((error) => error);
    expect(failed).toBeInstanceOf(Error);
    expect(providers.book.pushes[0]).toMatchObject({ delivered: true, answer: "cut" });
  });
});

describe("byte by byte", () => {
  const jwt = (claims: Record<string, unknown> = {}) =>
    new SignJWT({ iss: teamId, iat: Math.floor(Date.now() / 1_000), ...claims })
      .setProtectedHeader({ alg: "ES256", kid: keyId })
      .sign(privateKey);

  it("speaks HTTP/2 and HTTP/1.1 on one port, without TLS", async () => {
    const plain = await startProviders();
    plain.apns.addKey(key);
    const token = plain.apns.addDevice({ bundleId });
    const headers = {
      authorization: `bearer ${await jwt()}`,
      "apns-topic": bundleId,
      "apns-push-type": "alert",
      "apns-id": crypto.randomUUID(),
    };
    const body = JSON.stringify({ aps: { alert: "a" } });
    const { production } = plain.apns.url;
    const answer = await fetch(`${production}/3/device/${token}`, { method: "POST", headers, body });
    expect(answer.status).toBe(200);
    expect(answer.headers.get("apns-id")).toBe(headers["apns-id"]);
    expect(await answer.text()).toBe("");

    const session = connect(production);
    const stream = session.request({ ":method": "POST", ":path": `/3/device/${token}`, ...headers });
    const status = new Promise((resolve) => stream.on("response", (given) => resolve(given[":status"])));
    stream.end(body);
    expect(await status).toBe(200);
    session.destroy();
    expect(plain.book.pushes.map(({ http }) => http)).toEqual(["1.1", "2.0"]);
    await plain.close();
  });

  it("says what is wrong with a request that no library sends", async () => {
    const plain = await startProviders({ deviceRate: { count: 2, ms: 1_000 } });
    plain.apns.addKey(key);
    const token = plain.apns.addDevice({ bundleId });
    const good = {
      authorization: `bearer ${await jwt()}`,
      "apns-topic": bundleId,
      "apns-push-type": "alert",
    };
    const ask = async (path: string, headers: [string, string][], body = '{"aps":{"alert":"a"}}') => {
      const answer = await fetch(plain.apns.url.production + path, { method: "POST", headers, body });
      const { reason } =
        answer.status === 200 ? { reason: "" } : ((await answer.json()) as { reason: string });
      return `${answer.status} ${reason}`.trim();
    };
    const path = `/3/device/${token}`;
    const all = Object.entries(good);
    const without = (name: string) => all.filter(([other]) => other !== name);
    expect(await ask("/2/device/ab", all)).toBe("404 BadPath");
    expect(await ask("/3/device/", all)).toBe("400 MissingDeviceToken");
    expect(await ask(path, without("authorization"))).toBe("403 MissingProviderToken");
    expect(await ask(path, [...without("authorization"), ["authorization", "bearer a.b.c"]])).toBe(
      "403 InvalidProviderToken",
    );
    const by = async (claims: Record<string, unknown>) => {
      const authorization: [string, string] = ["authorization", `bearer ${await jwt(claims)}`];
      return ask(path, [...without("authorization"), authorization]);
    };
    const now = Math.floor(Date.now() / 1_000);
    expect(await by({ iat: now + 300 })).toBe("403 InvalidProviderToken");
    expect(await by({ iat: `${now}` })).toBe("403 InvalidProviderToken");
    expect(await by({ iat: now - 3_700 })).toBe("403 ExpiredProviderToken");
    const unsigned = `${btoa(`{"alg":"none","kid":"${keyId}"}`)}.${btoa(`{"iss":"${teamId}","iat":${now}}`)}.AA`;
    expect(await ask(path, [...without("authorization"), ["authorization", `bearer ${unsigned}`]])).toBe(
      "403 InvalidProviderToken",
    );
    expect(await ask(path, without("apns-push-type"))).toBe("400 InvalidPushType");
    expect(await ask(path, [...all, ["apns-id", "1"]])).toBe("400 BadMessageId");
    expect(await ask(path, [...all, ["apns-priority", "7"]])).toBe("400 BadPriority");
    expect(await ask(path, all, "")).toBe("400 PayloadEmpty");
    expect(await ask(path, all, "{}")).toBe("400 PayloadEmpty");
    expect(await ask(path, all, "sin")).toBe("400 PayloadEmpty");
    const got = await fetch(plain.apns.url.production + path, { headers: all });
    expect(got.status).toBe(405);
    expect([await ask(path, all), await ask(path, all), await ask(path, all)]).toEqual([
      "200",
      "200",
      "429 TooManyRequests",
    ]);
    plain.clock.advance(1_001);
    expect(await ask(path, all)).toBe("200");
    await plain.close();
  });

  it("accepts and never answers, and answers late", async () => {
    const plain = await startProviders();
    plain.apns.addKey(key);
    const token = plain.apns.addDevice({ bundleId });
    const headers = {
      authorization: `bearer ${await jwt()}`,
      "apns-topic": bundleId,
      "apns-push-type": "alert",
    };
    const ask = (signal?: AbortSignal) =>
      fetch(`${plain.apns.url.production}/3/device/${token}`, {
        method: "POST",
        headers,
        body: '{"aps":{"alert":"a"}}',
        signal,
      });
    plain.apns.desk.trouble({ kind: "never" }, { times: 1 });
    const gaveUp = new AbortController();
    plain.book.once("push", () => setTimeout(() => gaveUp.abort(), 50));
    await expect(ask(gaveUp.signal)).rejects.toThrow(/abort/);
    expect(plain.book.pushes[0]).toMatchObject({ delivered: false, answer: "never" });

    plain.apns.desk.trouble({ kind: "delay", ms: 60 }, { times: 1 });
    const began = performance.now();
    expect((await ask()).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(55);

    plain.apns.desk.trouble({ kind: "cut" }, { times: 1 });
    await expect(ask()).rejects.toThrow();
    await plain.close();
  });

  it("keeps a connection to the team that it began with, and takes no header twice", async () => {
    const other = generateKeyPairSync("ec", { namedCurve: "P-256" });
    providers.apns.addKey({
      keyId: "OTHER12345",
      teamId: "TEAM654321",
      publicKey: pem(other.publicKey, "spki"),
    });
    const token = providers.apns.addDevice({ bundleId });
    const foreign = await new SignJWT({ iss: "TEAM654321", iat: Math.floor(Date.now() / 1_000) })
      .setProtectedHeader({ alg: "ES256", kid: "OTHER12345" })
      .sign(other.privateKey);
    const session = connect(providers.apns.url.production, { ca: tls.cert });
    const ask = (by: string, topic: string | string[] = bundleId) =>
      new Promise<string>((resolve) => {
        const stream = session.request({
          ":method": "POST",
          ":path": `/3/device/${token}`,
          authorization: `bearer ${by}`,
          "apns-topic": topic,
          "apns-push-type": "alert",
        });
        let text = "";
        stream.setEncoding("utf8").on("data", (more) => {
          text += more;
        });
        stream.on("end", () => resolve(text));
        stream.end('{"aps":{"alert":"a"}}');
      });
    const own = await jwt();
    expect(await ask(own)).toBe("");
    expect(await ask(foreign)).toBe('{"reason":"UnrelatedKeyIdInToken"}');
    expect(await ask(own, [bundleId, bundleId])).toBe('{"reason":"DuplicateHeaders"}');
    session.destroy();
  });
});
