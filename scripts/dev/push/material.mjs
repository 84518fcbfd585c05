// @ts-check
/**
 * What `npm start` pushes with and to: credentials as the vendors hand them out, but of this machine's
 * own making, and bob's three phones. Made on the first run, kept in the state folder.
 */
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "../../lib/state.mjs";
import { newKeys } from "./webpush-keys.mjs";

export const bundleId = "com.example.carillon";

/**
 * @typedef {ReturnType<typeof newMaterial>} Material
 * @typedef {import("./providers.mjs").Providers} Providers
 */

/** @param {string} state the state folder @returns {Material} */
export function openMaterial(state) {
  const path = join(state, "push.json");
  if (!existsSync(path)) writePrivate(path, `${JSON.stringify(newMaterial(), null, 2)}\n`);
  return JSON.parse(readFileSync(path, "utf8"));
}

function newMaterial() {
  const projectId = "carillon-demo";
  const vapid = newKeys();
  return {
    apns: {
      privateKey: pem(generateKeyPairSync("ec", { namedCurve: "P-256" })),
      keyId: appleId(),
      teamId: appleId(),
    },
    serviceAccount: {
      type: "service_account",
      project_id: projectId,
      private_key_id: randomBytes(20).toString("hex"),
      private_key: pem(generateKeyPairSync("rsa", { modulusLength: 2_048 })),
      client_email: `push@${projectId}.iam.gserviceaccount.com`,
    },
    accessSecret: randomBytes(32).toString("base64"),
    vapid: {
      publicKey: vapid.publicKey,
      privateKey: vapid.privateKey,
      subject: "mailto:demo@example.com",
    },
    iphone: { voipToken: randomBytes(32).toString("hex"), alertToken: randomBytes(32).toString("hex") },
    android: {
      token: `${randomBytes(16).toString("base64url")}:APA91b${randomBytes(100).toString("base64url")}`,
    },
    browser: { id: randomUUID(), keys: newKeys() },
  };
}

/** The uploads: bodies of `PUT …/push/credentials`. @param {Material} material */
export function credentialsOf({ apns, serviceAccount, vapid }) {
  return [
    { provider: "apns", ...apns },
    { provider: "fcm", serviceAccount },
    { provider: "webpush", ...vapid },
  ];
}

/**
 * The phones, by the names that they register with: bodies of `PUT /v1/push/device`.
 *
 * @param {Material} material @param {string} origin of the push service
 */
export function phonesOf({ iphone, android, browser, vapid, serviceAccount }, origin) {
  const { publicKey: p256dh, auth } = browser.keys;
  return {
    "demo-iphone": { provider: "apns", bundleId, environment: "development", ...iphone },
    "demo-android": { provider: "fcm", ...android, projectId: serviceAccount.project_id },
    "demo-browser": {
      provider: "webpush",
      endpoint: `${origin}/push/${browser.id}`,
      keys: { p256dh, auth },
      applicationServerKey: vapid.publicKey,
    },
  };
}

/** Makes the keys and the phones known to the stand-ins. @param {Providers} providers @param {Material} material */
export function introduce({ apns, fcm, webpush }, material) {
  const { serviceAccount, iphone, android, browser, vapid } = material;
  const { privateKey: publicKey, ...ids } = material.apns;
  apns.addKey({ ...ids, publicKey });
  const app = { bundleId, environment: /** @type {const} */ ("development") };
  apns.addDevice({ ...app, type: "voip", token: iphone.voipToken });
  apns.addDevice({ ...app, type: "alert", token: iphone.alertToken });
  fcm.addAccount({
    clientEmail: serviceAccount.client_email,
    projectId: serviceAccount.project_id,
    privateKeyId: serviceAccount.private_key_id,
    publicKey: serviceAccount.private_key,
  });
  fcm.addDevice({ projectId: serviceAccount.project_id, token: android.token });
  webpush.subscribe({ ...browser, applicationServerKey: vapid.publicKey });
}

/** @param {{ privateKey: import("node:crypto").KeyObject }} pair */
function pem({ privateKey }) {
  return String(privateKey.export({ type: "pkcs8", format: "pem" }));
}

/** Ten characters, as Apple's. */
function appleId() {
  return randomBytes(5).toString("hex").toUpperCase();
}
