import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { importPKCS8, SignJWT } from "jose";
import { afterEach, beforeEach, expect, it } from "vitest";
import webpush from "web-push";
import { type Listener, listen } from "../../scripts/dev/push/listen.mjs";
import {
  bundleId,
  introduce,
  type Material,
  openMaterial,
  phonesOf,
} from "../../scripts/dev/push/material.mjs";
import { phonesPage } from "../../scripts/dev/push/phones.mjs";
import { type Providers, startProviders } from "../../scripts/dev/push/providers.mjs";

let state: string;
let material: Material;
let providers: Providers;
let page: Listener;

beforeEach(async () => {
  state = mkdtempSync(join(tmpdir(), "carillon-phones-"));
  material = openMaterial(state);
  providers = await startProviders();
  introduce(providers, material);
  const take = phonesPage({ providers, material, state });
  page = await listen(async (asked) => ({ answer: await take(asked) }));
});

afterEach(async () => {
  await Promise.all([page.close(), providers.close()]);
  rmSync(state, { recursive: true });
});

const sin = JSON.stringify({ v: 1, type: "call", id: "c1", from: "alice", until: Date.now() + 45_000 });

/** To the iPhone's VoIP token, as APNs wants it. */
async function pushToIphone(): Promise<void> {
  const { keyId, teamId, privateKey } = material.apns;
  const jwt = await new SignJWT({ iss: teamId, iat: Math.floor(Date.now() / 1_000) })
    .setProtectedHeader({ alg: "ES256", kid: keyId })
    .sign(await importPKCS8(privateKey, "ES256"));
  const { status } = await fetch(`${providers.apns.url.development}/3/device/${material.iphone.voipToken}`, {
    method: "POST",
    headers: { authorization: `bearer ${jwt}`, "apns-push-type": "voip", "apns-topic": `${bundleId}.voip` },
    body: JSON.stringify({ aps: {}, sin }),
  });
  expect(status).toBe(200);
}

async function pushToBrowser(): Promise<void> {
  const device = phonesOf(material, providers.webpush.url)["demo-browser"];
  const { headers, body } = webpush.generateRequestDetails(
    { endpoint: device.endpoint, keys: device.keys },
    JSON.stringify({ sin }),
    { vapidDetails: material.vapid, TTL: 45, urgency: "high" },
  );
  const sent = {
    method: "POST",
    headers: headers as Record<string, string>,
    body: new Uint8Array(body ?? []),
  };
  expect((await fetch(device.endpoint, sent)).status).toBe(201);
}

interface Shown {
  number: number;
  phone: string;
  kind: string;
  answer: string;
  sin: string;
  facts: [string, string][];
}

/** So many events, as the page gets them. */
async function events(count: number, since?: number): Promise<Shown[]> {
  const headers: Record<string, string> = since === undefined ? {} : { "last-event-id": String(since) };
  const answer = await fetch(`${page.url}/events`, { headers });
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  const found: Shown[] = [];
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data) found.push(JSON.parse(data));
    }
    if (found.length >= count) break;
  }
  return found;
}

it("shows what came and what comes, on the phone that it is for", async () => {
  await pushToIphone();
  const coming = events(2);
  await pushToBrowser();
  const [voip, web] = await coming;
  expect(voip).toMatchObject({ phone: "iphone", kind: "VoIP push", answer: "200", sin });
  expect(voip?.facts).toContainEqual(["apns-topic", `${bundleId}.voip`]);
  expect(web).toMatchObject({ phone: "browser", kind: "Web Push", answer: "201", sin });
  expect(web?.facts).toContainEqual(["urgency", "high"]);
  // After a break, only what is new.
  expect((await events(1, voip?.number)).map(({ phone }) => phone)).toEqual(["browser"]);
});

it("leaves out what is for other devices", async () => {
  const { endpoint } = providers.webpush.subscribe();
  await fetch(endpoint, { method: "POST" });
  await pushToIphone();
  expect(await events(1)).toMatchObject([{ phone: "iphone", number: 2 }]);
});

it("wakes the app as bob with a fresh token and with what the push says", async () => {
  await pushToIphone();
  const asked: string[] = [];
  const platform = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization}`);
    response.statusCode = asked.length > 1 ? 404 : 201;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ token: "fresh" }));
  });
  await new Promise<void>((resolve) => platform.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(platform.address() as AddressInfo).port}`;
  writeFileSync(join(state, "demo.json"), JSON.stringify({ url, applicationKey: "k" }));
  writeFileSync(join(state, "secrets.json"), JSON.stringify({ ADMIN_TOKEN: "admin" }));
  const answer = await fetch(`${page.url}/wake/1`, { redirect: "manual" });
  expect(answer.status).toBe(303);
  const { origin, hash } = new URL(answer.headers.get("location") ?? "");
  expect(origin).toBe(url);
  expect(Object.fromEntries(new URLSearchParams(hash.slice(1)))).toEqual({
    key: "k",
    user: "bob",
    token: "fresh",
    push: sin,
  });
  expect(asked).toEqual(["POST /v1/admin/applications/k/users/bob/token Bearer admin"]);

  // The application is gone, and then the platform.
  expect((await fetch(`${page.url}/wake/1`)).status).toBe(502);
  platform.close();
  platform.closeAllConnections();
  expect((await fetch(`${page.url}/wake/1`)).status).toBe(502);
  expect((await fetch(`${page.url}/wake/2`)).status).toBe(404);
});

it("is there for this machine alone", async () => {
  const html = await fetch(page.url);
  expect(html.headers.get("content-type")).toContain("text/html");
  expect((await fetch(`${page.url}/words.mjs`)).headers.get("content-type")).toContain("javascript");
  expect((await fetch(`${page.url}/material.mjs`)).status).toBe(404);
  expect((await fetch(page.url, { method: "PUT" })).status).toBe(404);
  expect(await (await fetch(`${page.url}/settings`)).json()).toEqual(providers.settings);
  const foreign = await new Promise((resolve) => {
    get(page.url, { headers: { host: "evil.example" } }, ({ statusCode }) => resolve(statusCode));
  });
  expect(foreign).toBe(403);
});

it("keeps keys and phones in the state folder", () => {
  expect(openMaterial(state)).toEqual(material);
});
