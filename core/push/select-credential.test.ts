import { expect, test } from "vitest";
import type { ApnsDevice, PushDevice } from "../../protocol";
import type { PublicPushCredential } from "./credentials";
import { selectPushCredential } from "./select-credential";

const apns = (name: string, scope: Partial<ApnsDevice> = {}) =>
  ({ provider: "apns", keyId: name, teamId: "TEAM", ...scope }) as const;
const fcm = (projectId: string, clientEmail = "") =>
  ({ provider: "fcm", projectId, clientEmail, privateKeyId: "" }) as const;
const vapid = (publicKey: string) => ({ provider: "webpush", publicKey, subject: "" }) as const;

const iphone: PushDevice = { provider: "apns", bundleId: "com.example.app", environment: "production" };
const browser: PushDevice = { provider: "webpush", endpoint: "", keys: { p256dh: "", auth: "" } };

const scoped = { bundleId: "com.example.app" } as const;
const team = apns("team");
const production = apns("production", { environment: "production" });
const development = apns("development", { environment: "development" });
const bundle = apns("bundle", scoped);
const exact = apns("exact", { ...scoped, environment: "production" });
const sandbox = apns("sandbox", { ...scoped, environment: "development" });
const other = apns("other", { bundleId: "com.example.other", environment: "production" });

test.each<[string, PublicPushCredential[]]>([
  ["exact", [team, production, bundle, exact, sandbox, other]],
  ["bundle", [production, team, bundle, sandbox, other]],
  ["production", [team, development, production, other]],
  ["team", [other, team, development, sandbox]],
])("APNs: %s before what is less specific, in any order", (name, credentials) => {
  for (const some of [credentials, credentials.toReversed()]) {
    expect(selectPushCredential(iphone, [fcm("p"), ...some, vapid("k")])).toMatchObject({ keyId: name });
  }
});

test("APNs: nothing for another bundle id or environment", () => {
  expect(selectPushCredential(iphone, [other, sandbox, development, fcm("p"), vapid("k")])).toBeUndefined();
});

test("FCM: the device's project and no other; the newest where it names none", () => {
  const credentials = [team, fcm("new"), fcm("old"), vapid("k")];
  const device = { provider: "fcm", token: "t" } as const;
  expect(selectPushCredential(device, credentials)).toEqual(fcm("new"));
  expect(selectPushCredential({ ...device, projectId: "old" }, credentials)).toEqual(fcm("old"));
  expect(selectPushCredential({ ...device, projectId: "gone" }, credentials)).toBeUndefined();
});

test("Web Push: the key that the browser subscribed with and no other; the newest where it does not say", () => {
  const credentials = [fcm("p"), vapid("new"), vapid("old"), team];
  expect(selectPushCredential(browser, credentials)).toEqual(vapid("new"));
  const key = (applicationServerKey: string) => ({ ...browser, applicationServerKey });
  expect(selectPushCredential(key("old"), credentials)).toEqual(vapid("old"));
  expect(selectPushCredential(key("gone"), credentials)).toBeUndefined();
});

test("nothing where there is nothing", () => {
  for (const device of [iphone, browser, { provider: "fcm", token: "t" } as const]) {
    expect(selectPushCredential(device, [])).toBeUndefined();
  }
});
