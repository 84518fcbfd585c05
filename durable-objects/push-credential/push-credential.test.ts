import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { decodeJwt, decodeProtectedHeader, importSPKI, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ApnsCredential, FcmCredential } from "../../core/push/credentials";
import { providerKeyName } from "../../core/push/provider-token";
import { ecKey, ids, rsaKey, rsaPublicKey } from "../../test/edge/push-material";
import { bindings } from "../../test/edge/support";
import { pushCredential } from "../names";
import type { PushCredential } from "./push-credential";
import type { ProviderToken } from "./rpc";

const minute = 60_000;
const apns: ApnsCredential = { provider: "apns", privateKey: await ecKey(), ...ids };
const fcm: FcmCredential = {
  ...{ provider: "fcm", projectId: "p", clientEmail: "robot@p.iam", privateKeyId: "k1" },
  privateKey: rsaKey,
};

/** The time in the object, and how to ask it. */
let now = 0;
let name = "";
let count = 0;
beforeEach(() => {
  now = 2_500_000_000_000;
  count += 1;
  name = `key ${count}`;
});
afterEach(() => vi.restoreAllMocks());

const object = () => pushCredential(bindings, name);
async function ask(credential: ApnsCredential | FcmCredential, refused?: string): Promise<ProviderToken> {
  await runInDurableObject(object(), (instance: PushCredential) => {
    instance.clock = () => now;
  });
  return object().token({ credential, refused, reference: "test" });
}
async function tokenOf(credential: ApnsCredential | FcmCredential, refused?: string): Promise<string> {
  const answer = await ask(credential, refused);
  if (!answer.ok) throw new Error(answer.error.detail);
  return answer.value.token;
}
const errorOf = async (credential: ApnsCredential | FcmCredential) => {
  const answer = await ask(credential);
  return answer.ok ? undefined : { name: answer.error.name, detail: answer.error.detail };
};

/** Google's token endpoint: `answer` says what it does, and what it was asked is kept. */
function google(answer: () => Response | Promise<Response>) {
  const asked: { url: string; body: URLSearchParams }[] = [];
  vi.spyOn(globalThis, "fetch").mockImplementation(async (url, init) => {
    asked.push({ url: String(url), body: new URLSearchParams(String(init?.body)) });
    return answer();
  });
  return asked;
}
let granted = 0;
const grant = () =>
  Response.json({ access_token: `ya29.${++granted}`, expires_in: 3_600, token_type: "Bearer" });

describe("a token for APNs", () => {
  it("is signed by the key, with its id and its team, and made without asking anybody", async () => {
    const asked = google(grant);
    const token = await tokenOf(apns);
    expect(decodeProtectedHeader(token)).toEqual({ alg: "ES256", kid: ids.keyId });
    expect(decodeJwt(token)).toEqual({ iss: ids.teamId, iat: now / 1_000 });
    expect(asked).toEqual([]);
  });

  it("is one, however many ask at a time", async () => {
    // Inside of the object, so that they do ask at a time: each signature is another one.
    const answers = await runInDurableObject(object(), (instance: PushCredential) => {
      instance.clock = () => now;
      const ask = () => instance.token({ credential: apns, reference: "test" });
      return Promise.all(Array.from({ length: 50 }, ask));
    });
    expect(new Set(answers.map((answer) => answer.ok && answer.value.token)).size).toBe(1);
  });

  it("stays for 50 minutes, over evictions, and is another one after that", async () => {
    const first = await tokenOf(apns);
    now += 50 * minute - 1;
    await evictDurableObject(object());
    expect(await tokenOf(apns)).toBe(first);
    now += 1;
    const second = await tokenOf(apns);
    expect(decodeJwt(second).iat).toBe(now / 1_000);
    await evictDurableObject(object());
    expect(await tokenOf(apns)).toBe(second);
  });

  it("that is refused is replaced, at most once in 20 minutes however often it is refused", async () => {
    const made = new Set<string>();
    let token = await tokenOf(apns);
    for (const end = now + 60 * minute; now < end; now += minute) {
      made.add(token);
      if (now % (5 * minute) === 0) await evictDurableObject(object());
      token = await tokenOf(apns, token);
    }
    expect(made.size).toBe(3);
  });

  it("is not replaced for somebody who was refused with an older one", async () => {
    const first = await tokenOf(apns);
    now += 20 * minute;
    const second = await tokenOf(apns, first);
    expect(second).not.toBe(first);
    now += 20 * minute;
    expect(await tokenOf(apns, first)).toBe(second);
  });

  it("rests sealed: what is stored does not show it", async () => {
    const token = await tokenOf(apns);
    await runInDurableObject(object(), (_, state) => {
      const stored = JSON.stringify([...state.storage.kv.list()]);
      expect(stored).toContain("ciphertext");
      expect(stored).not.toContain(token.split(".")[2]);
      expect(stored).not.toContain("PRIVATE KEY");
    });
  });

  it("cannot be made with a key that is none", async () => {
    expect(await errorOf({ ...apns, privateKey: "no key" })).toMatchObject({ name: "invalidValue" });
  });
});

describe("a token for FCM", () => {
  it("is what Google gives for an assertion of the service account", async () => {
    const asked = google(grant);
    const answer = await ask(fcm);
    expect(answer).toEqual({ ok: true, value: { token: `ya29.${granted}`, goodUntil: now + 54 * minute } });
    expect(asked).toHaveLength(1);
    expect(asked[0]?.url).toBe("https://oauth2.googleapis.com/token");
    expect(asked[0]?.body.get("grant_type")).toBe("urn:ietf:params:oauth:grant-type:jwt-bearer");
    const assertion = asked[0]?.body.get("assertion") ?? "";
    const key = await importSPKI(rsaPublicKey, "RS256");
    const { payload, protectedHeader } = await jwtVerify(assertion, key, { currentDate: new Date(now) });
    expect(protectedHeader).toEqual({ alg: "RS256", typ: "JWT", kid: "k1" });
    expect(payload).toEqual({
      scope: "https://www.googleapis.com/auth/firebase.messaging",
      iss: "robot@p.iam",
      aud: "https://oauth2.googleapis.com/token",
      iat: now / 1_000,
      exp: now / 1_000 + 3_600,
    });
  });

  it("is asked for once, however many want it at a time, and again when it is old", async () => {
    const asked = google(grant);
    const tokens = await Promise.all(Array.from({ length: 20 }, () => tokenOf(fcm)));
    expect(new Set(tokens).size).toBe(1);
    now += 54 * minute - 1;
    await evictDurableObject(object());
    expect(await tokenOf(fcm)).toBe(tokens[0]);
    expect(asked).toHaveLength(1);
    now += 1;
    expect(await tokenOf(fcm)).not.toBe(tokens[0]);
    expect(asked).toHaveLength(2);
  });

  it.each([
    [400, '{"error":"invalid_grant","error_description":"Invalid JWT Signature."}', "invalidValue"],
    [401, '{"error":"invalid_client"}', "invalidValue"],
    [400, "<html>", "unavailable"],
    [429, '{"error":"rate_limit_exceeded"}', "unavailable"],
    [503, "", "unavailable"],
    [302, "", "unavailable"],
    [200, "{}", "unavailable"],
    [200, "<html>", "unavailable"],
  ])("that Google denies with %i %s is %s", async (status, text, expected) => {
    google(() => new Response(text, { status }));
    expect(await errorOf(fcm)).toMatchObject({ name: expected });
  });

  it("tells what Google said", async () => {
    google(() => Response.json({ error: "invalid_grant", error_description: "Bad." }, { status: 400 }));
    expect((await errorOf(fcm))?.detail).toBe("Google's tokens: answered 400 invalid_grant: Bad.");
  });

  it("that cannot be had is not asked for again by every push, but soon", async () => {
    const asked = google(() => Promise.reject(new TypeError("connection refused")));
    for (let push = 0; push < 10; push += 1) {
      expect(await errorOf(fcm)).toMatchObject({ name: "unavailable" });
    }
    expect(asked).toHaveLength(1);
    now += 5_000;
    google(grant);
    expect(await tokenOf(fcm)).toBe(`ya29.${granted}`);
  });

  it("leaves one in use alone when Google is away", async () => {
    google(grant);
    const token = await tokenOf(fcm);
    now += 10 * minute;
    google(() => new Response("", { status: 503 }));
    expect(await tokenOf(fcm)).toBe(token);
  });
});

describe("the name of a key", () => {
  it("is the same for every application that uses it, and another for another key", async () => {
    const found = await providerKeyName(apns);
    expect(await providerKeyName({ ...apns, bundleId: "a", environment: "production" })).toBe(found);
    for (const other of [
      { ...apns, keyId: "OTHER00000" },
      { ...apns, teamId: "OTHER00000" },
      { ...apns, privateKey: await ecKey() },
      fcm,
    ])
      expect(await providerKeyName(other)).not.toBe(found);
    expect(await providerKeyName({ ...fcm, projectId: "another" })).toBe(await providerKeyName(fcm));
    expect(found).not.toContain(ids.keyId);
  });
});
