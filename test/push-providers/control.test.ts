import { generateKeyPairSync } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { control } from "../../scripts/dev/push/control.mjs";
import { type Listener, listen } from "../../scripts/dev/push/listen.mjs";
import { type Providers, startProviders } from "../../scripts/dev/push/providers.mjs";

describe("the stand-ins from another process", () => {
  let providers: Providers;
  let door: Listener;
  beforeEach(async () => {
    providers = await startProviders();
    const nothing = { status: 404 };
    door = await listen((asked) => ({ answer: control(providers, asked) ?? nothing }));
  });
  afterEach(() => Promise.all([providers.close(), door.close()]));

  async function ask(method: string, path: string, body?: unknown, type = "application/json") {
    const answer = await fetch(door.url + path, {
      method,
      ...(body !== undefined && { headers: { "content-type": type }, body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith("{") ? JSON.parse(text) : text };
  }

  it("says where they are", async () => {
    const { body } = await ask("GET", "/settings");
    expect(body).toEqual(providers.settings);
    expect(Object.keys(body)).toEqual([
      "APNS_PRODUCTION_URL",
      "APNS_DEVELOPMENT_URL",
      "FCM_URL",
      "FCM_TOKEN_URL",
      "WEB_PUSH_HOSTS",
    ]);
  });

  it("adds keys and devices, makes trouble, and lists what arrived", async () => {
    const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = String(publicKey.export({ type: "spki", format: "pem" }));
    const key = { keyId: "ABC123DEFG", teamId: "TEAM123456", publicKey: pem };
    expect((await ask("POST", "/keys", { provider: "apns", ...key })).status).toBe(204);
    const iphone = await ask("POST", "/devices", { provider: "apns", bundleId: "com.example.phone" });
    expect(iphone).toMatchObject({ status: 201, body: { token: expect.stringMatching(/^[0-9a-f]{64}$/) } });
    const android = await ask("POST", "/devices", { provider: "fcm", projectId: "p" });
    expect(android.body.token.length).toBeGreaterThan(100);
    const browser = await ask("POST", "/devices", { provider: "webpush" });
    expect(browser.body.endpoint).toContain(providers.webpush.url);

    await fetch(browser.body.endpoint, { method: "POST" });
    const { body } = await ask("GET", "/pushes");
    expect(body.pushes).toMatchObject([{ number: 1, provider: "webpush", answer: { status: 401 } }]);
    expect((await ask("GET", "/pushes?after=1")).body.pushes).toEqual([]);
    await ask("DELETE", "/pushes");
    expect((await ask("GET", "/pushes")).body.pushes).toEqual([]);

    await ask("DELETE", "/devices", { provider: "webpush", token: browser.body.endpoint });
    const trouble = { kind: "refuse", status: 503, reason: "internal_failure" };
    expect((await ask("POST", "/troubles", { provider: "oauth", trouble })).status).toBe(204);
    expect((await fetch(providers.fcm.tokenUrl, { method: "POST" })).status).toBe(503);
    await ask("DELETE", "/troubles");
    expect((await fetch(providers.fcm.tokenUrl, { method: "POST" })).status).toBe(400);
    expect((await ask("GET", "/mints?provider=apns&of=ABC123DEFG")).body).toEqual({ mints: 0 });
    const before = providers.clock.now();
    await ask("POST", "/clock", { advance: 60_000 });
    expect(providers.clock.now() - before).toBeGreaterThanOrEqual(60_000);
  });

  it("takes nothing that a foreign page could send without asking", async () => {
    const trouble = { provider: "apns", trouble: { kind: "never" } };
    expect((await ask("POST", "/troubles", trouble, "text/plain")).status).toBe(415);
    expect((await ask("POST", "/clock")).status).toBe(415);
    expect(await ask("POST", "/troubles", 5)).toEqual({ status: 400, body: "no JSON" });
    expect((await ask("POST", "/keys", { provider: "apns", publicKey: "x" })).status).toBe(400);
  });
});
