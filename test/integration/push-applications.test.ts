/**
 * Calls between apps of Apple's, with everything in it but Apple: which application's key a push goes
 * with, and to which app. The three ways in which a team may have configured its apps.
 */
import { decodeProtectedHeader } from "jose";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { apnsBody, ids, uploaded } from "../edge/push-material";
import { adminHeaders, bearer, newApplication, newInstance, request, unique } from "../edge/support";
import { Peer } from "./peer";

let pushes: { topic: string | null; kid: string | undefined }[] = [];
beforeEach(() => {
  pushes = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_, init) => {
    const headers = new Headers(init?.headers);
    const { kid } = decodeProtectedHeader(headers.get("authorization")?.replace("bearer ", "") ?? "");
    pushes.push({ topic: headers.get("apns-topic"), kid });
    return new Response("");
  });
});
afterEach(() => vi.restoreAllMocks());

/** A user calls another one who sleeps. Answers how the call began. */
async function call(
  caller: Awaited<ReturnType<typeof newApplication>>,
  callee: Awaited<ReturnType<typeof newApplication>>,
  bundleId: string,
) {
  const bob = await newInstance(callee, unique("bob"));
  const device = { provider: "apns", bundleId, environment: "production", voipToken: "ab".repeat(32) };
  const put = await request("PUT", "/v1/push/device", { body: device, headers: bearer(bob.token) });
  expect(put.status).toBe(200);
  const { userId, instanceId } = await newInstance(caller, unique("alice"));
  const alice = await Peer.connect(userId, { applicationKey: caller.key, instanceId });
  const { answered } = alice.start(caller === callee ? bob.userId : `${bob.userId}@${callee.key}`);
  expect(await answered).toMatchObject({ result: { devices: 1 } });
  return alice;
}

/** Two applications of one account, which may call each other. */
async function pair() {
  const account = unique("account");
  const both = [await newApplication(account), await newApplication(account)] as const;
  const body = { allowCrossApplication: true };
  await request("PATCH", `/v1/admin/accounts/${account}`, { body, headers: adminHeaders() });
  return both;
}

const key = (keyId: string, bundleId: string) => apnsBody({ keyId, teamId: ids.teamId, bundleId });

it("one application, several apps: the key is the one of the callee's bundle id", async () => {
  const app = await newApplication();
  await uploaded(app, await key("KEYOFAPPAA", "com.example.a"));
  await uploaded(app, await key("KEYOFAPPBB", "com.example.b"));
  await call(app, app, "com.example.a");
  await call(app, app, "com.example.b");
  await expect
    .poll(() => pushes)
    .toEqual([
      { topic: "com.example.a.voip", kid: "KEYOFAPPAA" },
      { topic: "com.example.b.voip", kid: "KEYOFAPPBB" },
    ]);
});

it("several applications, one app: the key is in the caller's application", async () => {
  const [a, b] = await pair();
  await uploaded(a, await key("UPLOADEDTA", "com.example.app"));
  await call(a, b, "com.example.app");
  await expect.poll(() => pushes).toEqual([{ topic: "com.example.app.voip", kid: "UPLOADEDTA" }]);
});

it("several applications, several apps: each has the key of the other one's app, and its own is of no use", async () => {
  const [a, b] = await pair();
  await uploaded(a, await key("KEYFORBAPP", "com.example.b"));
  await uploaded(b, await key("KEYFORAAPP", "com.example.a"));
  await call(a, b, "com.example.b");
  await expect.poll(() => pushes).toEqual([{ topic: "com.example.b.voip", kid: "KEYFORBAPP" }]);
  await call(b, a, "com.example.a");
  await expect.poll(() => pushes.at(1)).toEqual({ topic: "com.example.a.voip", kid: "KEYFORAAPP" });
  // The callee's application has a key for its own app; the caller's has none, and that is what counts.
  const [c, d] = await pair();
  await uploaded(d, await key("KEYOFDSOWN", "com.example.d"));
  const alice = await call(c, d, "com.example.d");
  expect(await alice.event("ended")).toMatchObject({ error: { name: "userOffline" } });
  expect(pushes).toHaveLength(2);
});
