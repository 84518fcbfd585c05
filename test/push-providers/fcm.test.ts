import { generateKeyPairSync } from "node:crypto";
import { JWT } from "google-auth-library";
import { SignJWT } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Providers, startProviders } from "../../scripts/dev/push/providers.mjs";

const projectId = "demo-project";
const email = `push@${projectId}.iam.gserviceaccount.com`;
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
const account = {
  clientEmail: email,
  projectId,
  publicKey: String(publicKey.export({ type: "spki", format: "pem" })),
  privateKeyId: "key-1",
};
const secret = "secret";
const scope = "https://www.googleapis.com/auth/firebase.messaging";

let providers: Providers;

beforeEach(async () => {
  providers = await startProviders({ secret });
  providers.fcm.addAccount(account);
});

afterEach(() => providers.close());

/** Google's own library, which knows only Google's own token endpoint: what it asks that one goes to the stand-in. */
function google(options: ConstructorParameters<typeof JWT>[0] = {}): JWT {
  const fetchImplementation: typeof fetch = (url, init) =>
    fetch(String(url).replace("https://oauth2.googleapis.com/token", providers.fcm.tokenUrl), init);
  const common = { email, key: pem, keyId: "key-1", scopes: [scope] };
  return new JWT({ ...common, transporterOptions: { fetchImplementation, retry: false }, ...options });
}

const sendUrl = (project = projectId) => `${providers.fcm.url}/v1/projects/${project}/messages:send`;

/** By Google's library, token and all. */
async function send(message: unknown, by = google(), project = projectId) {
  const answer = await by.request<Answer>({
    url: sendUrl(project),
    method: "POST",
    data: { message },
    validateStatus: () => true,
  });
  return { status: answer.status, body: answer.data, headers: answer.headers };
}

interface Answer {
  name?: string;
  error?: { code: number; status: string; message: string; details?: Record<string, unknown>[] };
}

/** Status, google.rpc status and FCM's own error. */
async function refusal(message: unknown, by?: JWT, project?: string) {
  const { status, body } = await send(message, by, project);
  const fcm = body.error?.details?.find((detail) => String(detail["@type"]).endsWith("v1.FcmError"));
  expect(body.error?.code).toBe(status);
  return [status, body.error?.status, fcm?.errorCode].filter(Boolean).join(" ");
}

describe("with google-auth-library", () => {
  it("gives a token and takes a message", async () => {
    const token = providers.fcm.addDevice({ projectId });
    const by = google();
    const message = { token, data: { sin: "hello" }, android: { priority: "HIGH", ttl: "45s" } };
    const { status, body } = await send(message, by);
    expect(status).toBe(200);
    expect(body.name).toMatch(/^projects\/demo-project\/messages\/0:/);
    await send(message, by);
    expect(providers.fcm.mints(email)).toBe(1);
    expect(providers.book.pushes).toMatchObject([
      {
        number: 1,
        provider: "fcm",
        token,
        sin: "hello",
        credential: email,
        delivered: true,
        body: { message },
      },
      { number: 2 },
    ]);
  });

  it("gives no token to those whom it does not know", async () => {
    await expect(google({ email: "x@y.z" }).authorize()).rejects.toThrow("account not found");
    const other = generateKeyPairSync("rsa", { modulusLength: 2_048 }).privateKey;
    const key = String(other.export({ type: "pkcs8", format: "pem" }));
    await expect(google({ key }).authorize()).rejects.toThrow("Invalid JWT Signature");
    await expect(google({ scopes: ["https://mail.google.com/"] }).authorize()).rejects.toThrow(
      "invalid_scope",
    );
    expect(providers.fcm.mints(email)).toBe(0);
  });

  it("takes a token for an hour, and for its own project", async () => {
    const token = providers.fcm.addDevice({ projectId });
    const by = google();
    expect((await send({ token, data: {} }, by)).status).toBe(200);
    expect(await refusal({ token }, by, "other-project")).toBe("403 PERMISSION_DENIED");
    const bare = await fetch(sendUrl(), { method: "POST", body: "{}" });
    expect(bare.status).toBe(401);
    providers.clock.advance(3_600_000);
    const { access_token } = by.credentials;
    const late = await fetch(sendUrl(), {
      method: "POST",
      headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
      body: JSON.stringify({ message: { token } }),
    });
    expect(late.status).toBe(401);
    expect(((await late.json()) as Answer).error?.status).toBe("UNAUTHENTICATED");
  });

  it("takes its tokens after a restart with the same secret, and none that were revoked", async () => {
    const statuses: number[] = [];
    const { access_token } = await google().authorize();
    const ask = async ({ fcm }: Providers) => {
      const answer = await fetch(`${fcm.url}/v1/projects/${projectId}/messages:send`, {
        method: "POST",
        headers: { authorization: `Bearer ${access_token}`, "content-type": "application/json" },
        body: JSON.stringify({ message: { token: "x" } }),
      });
      statuses.push(answer.status);
    };
    await ask(providers);
    const others = [await startProviders({ secret }), await startProviders()];
    for (const other of others) {
      other.fcm.addAccount(account);
      await ask(other);
      await other.close();
    }
    providers.fcm.revokeAccess();
    await ask(providers);
    expect(statuses).toEqual([400, 400, 401, 401]);
  });

  it("knows its devices", async () => {
    const gone = providers.fcm.addDevice({ projectId });
    providers.fcm.unregister(gone);
    expect(await refusal({ token: gone })).toBe("404 NOT_FOUND UNREGISTERED");
    const { token } = { token: gone.replace(/.{20}$/, "x".repeat(20)) };
    expect(await refusal({ token })).toBe("404 NOT_FOUND UNREGISTERED");
    expect(await refusal({ token: "abc" })).toBe("400 INVALID_ARGUMENT INVALID_ARGUMENT");
    const elsewhere = providers.fcm.addDevice({ projectId: "other-project" });
    expect(await refusal({ token: elsewhere })).toBe("403 PERMISSION_DENIED SENDER_ID_MISMATCH");
  });

  it.each<[string, object, RegExp]>([
    [
      "a number as a value",
      { data: { sin: 12 } },
      /Invalid value at 'message.data\[0\].value' \(TYPE_STRING\), 12/,
    ],
    ["a field that it does not know", { sin: "x" }, /Unknown name "sin" at 'message'/],
    ["one of Android's that it does not know", { android: { urgency: "high" } }, /at 'message.android'/],
    ["a priority that is none", { android: { priority: "10" } }, /message.android.priority/],
    ["a time to live without its unit", { android: { ttl: 45 } }, /Duration/],
    ["a time to live of more than four weeks", { android: { ttl: "2419201s" } }, /time to live/],
    ["a key that is Google's own", { data: { "google.x": "1" } }, /data payload key/],
    ["two targets", { topic: "news" }, /Recipient/],
    ["data that is a list", { data: ["sin"] }, /Invalid value at 'message.data'/],
    ["what is no part for Android", { android: "HIGH" }, /Invalid value at 'message.android'/],
    ["more than 4,096 bytes", { data: { sin: "x".repeat(4_094) } }, /too big/],
  ])("refuses %s", async (_, part, expected) => {
    const token = providers.fcm.addDevice({ projectId });
    const { status, body } = await send({ token, ...part });
    expect(status).toBe(400);
    expect(body.error?.status).toBe("INVALID_ARGUMENT");
    expect(body.error?.message).toMatch(expected);
    expect(body.error?.details).toHaveLength(1);
    expect(providers.book.pushes).toMatchObject([{ delivered: false, token }]);
  });

  it("refuses what is no message, and what is for another place", async () => {
    const { access_token } = await google().authorize();
    const ask = async (body: string, type = "application/json", url = sendUrl(), method = "POST") => {
      const headers = { authorization: `Bearer ${access_token}`, "content-type": type };
      const sent = method === "GET" ? {} : { body };
      const answer = await fetch(url, { method, headers, ...sent });
      return `${answer.status} ${((await answer.json()) as Answer).error?.message}`;
    };
    expect(await ask("{")).toMatch(/^400 Invalid JSON payload/);
    expect(await ask('{"message":{"token":"x"}}', "text/plain")).toMatch(/^400 Invalid JSON payload/);
    expect(await ask('{"message":5}')).toMatch(/^400 Invalid value at 'message'/);
    expect(await ask('{"message":{}}')).toMatch(/^400 Recipient/);
    expect(await ask("{}", "application/json", sendUrl().replace(":send", ""))).toMatch(/^404/);
    expect(await ask("{}", "application/json", sendUrl(), "GET")).toMatch(/^404/);
  });

  it("needs no time to live", async () => {
    const token = providers.fcm.addDevice({ projectId });
    expect((await send({ token, data: {}, android: { priority: "normal" } })).status).toBe(200);
  });

  it("counts key and value: 4,096 bytes are not too many", async () => {
    const token = providers.fcm.addDevice({ projectId });
    expect((await send({ token, data: { sin: "x".repeat(4_093) } })).status).toBe(200);
  });

  it("makes the trouble that it is told to make", async () => {
    const token = providers.fcm.addDevice({ projectId });
    const quota = { kind: "refuse", status: 429, reason: "QUOTA_EXCEEDED", retryAfter: 7 } as const;
    providers.fcm.desk.trouble(quota, { times: 1 });
    const { headers } = await send({ token }).then((answer) => {
      expect(answer.status).toBe(429);
      expect(answer.body.error).toMatchObject({
        status: "RESOURCE_EXHAUSTED",
        details: [
          { errorCode: "QUOTA_EXCEEDED" },
          { "@type": "type.googleapis.com/google.rpc.QuotaFailure" },
        ],
      });
      return answer;
    });
    expect(headers.get("retry-after")).toBe("7");
    for (const [status, reason] of [
      [503, "UNAVAILABLE"],
      [500, "INTERNAL"],
    ] as const) {
      providers.fcm.desk.trouble({ kind: "refuse", status, reason }, { times: 1 });
      expect(await refusal({ token })).toBe(`${status} ${reason} ${reason}`);
    }
    providers.fcm.desk.trouble({ kind: "cut" }, { times: 1 });
    await expect(send({ token })).rejects.toThrow();
    expect(providers.book.pushes.at(-1)).toMatchObject({ delivered: true, answer: "cut" });
    providers.fcm.tokenTrouble({ kind: "refuse", status: 401, reason: "deleted_client" }, 1);
    await expect(google().authorize()).rejects.toThrow("deleted_client");
    // Google's library tries this one again by itself.
    providers.fcm.tokenTrouble({ kind: "refuse", status: 503, reason: "internal_failure" }, 1);
    await google().authorize();
  });
});

describe("an assertion by hand", () => {
  async function grant(claims: Record<string, unknown>, form: Record<string, string> = {}, kid = "key-1") {
    const now = Math.floor(Date.now() / 1_000);
    const aud = providers.fcm.tokenUrl;
    const assertion = await new SignJWT({ iss: email, scope, aud, iat: now, exp: now + 3_600, ...claims })
      .setProtectedHeader({ alg: "RS256", kid })
      .sign(privateKey);
    const grant_type = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    const body = new URLSearchParams({ grant_type, assertion, ...form });
    const answer = await fetch(aud, { method: "POST", body });
    const { error, error_description, ...rest } = (await answer.json()) as Record<string, string>;
    return error ? `${answer.status} ${error}: ${error_description}` : rest;
  }
  const now = Math.floor(Date.now() / 1_000);

  it("may name the stand-in itself as its audience", async () => {
    expect(await grant({})).toMatchObject({ token_type: "Bearer", expires_in: 3_599 });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    ["another audience", { aud: "https://example.com/token" }, /invalid_grant: .*audience/],
    ["more than an hour", { exp: now + 3_700 }, /invalid_grant: .*short-lived/],
    ["what is over", { iat: now - 3_700, exp: now - 100 }, /invalid_grant: .*short-lived/],
    ["what is to come", { iat: now + 500, exp: now + 600 }, /invalid_grant: .*short-lived/],
    ["no scope", { scope: "" }, /invalid_scope/],
    ["times that are no numbers", { iat: "now", exp: "later" }, /invalid_grant: .*short-lived/],
  ])("is refused with %s", async (_, claims, expected) => {
    expect(await grant(claims)).toMatch(expected);
  });

  it("comes in a form", async () => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(providers.fcm.tokenUrl, { method: "POST", headers, body: "{}" });
    expect(`${answer.status} ${await answer.text()}`).toBe('400 {"error":"invalid_request"}');
  });

  it("gets no answer where that is wanted", async () => {
    const { fcm } = providers;
    const signal = AbortSignal.timeout(50);
    fcm.tokenTrouble({ kind: "never" }, 1);
    await expect(fetch(fcm.tokenUrl, { method: "POST", signal })).rejects.toThrow(/timeout/);
    fcm.tokenTrouble({ kind: "cut" }, 1);
    await expect(fetch(fcm.tokenUrl, { method: "POST" })).rejects.toThrow("fetch failed");
  });

  it("is refused with another key's name", async () => {
    expect(await grant({}, {}, "key-2")).toBe("400 invalid_grant: Invalid JWT Signature.");
  });

  it("is refused where it is none, or the grant is another", async () => {
    expect(await grant({}, { assertion: "a.b.c" })).toMatch(/^400 invalid_grant/);
    expect(await grant({}, { grant_type: "password" })).toMatch(/^400 unsupported_grant_type/);
  });
});
