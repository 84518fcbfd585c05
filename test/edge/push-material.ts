/** Keys and bodies to upload, made in the test: workerd has no Node. */
import { base64url } from "jose";
import { toBase64 } from "../../core/authentication/bytes";
import { adminHeaders, basic, request, type TestApplication } from "./support";

type Curve = "P-256" | "P-384";

function pem(bytes: unknown, label = "PRIVATE KEY"): string {
  const lines = toBase64(new Uint8Array(bytes as ArrayBuffer)).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

export async function ecKey(namedCurve: Curve = "P-256"): Promise<string> {
  const algorithm = { name: "ECDSA", namedCurve };
  const pair = (await crypto.subtle.generateKey(algorithm, true, ["sign"])) as CryptoKeyPair;
  return pem(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
}

async function rsaPair(): Promise<CryptoKeyPair> {
  const exponent = new Uint8Array([1, 0, 1]);
  const algorithm = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", modulusLength: 2_048 };
  const made = crypto.subtle.generateKey({ ...algorithm, publicExponent: exponent }, true, ["sign"]);
  return (await made) as CryptoKeyPair;
}

const rsa = await rsaPair();
/** Made once: it takes a while. */
export const rsaKey = pem(await crypto.subtle.exportKey("pkcs8", rsa.privateKey));
export const rsaPublicKey = pem(await crypto.subtle.exportKey("spki", rsa.publicKey), "PUBLIC KEY");

export async function webPushPair(): Promise<{ publicKey: string; privateKey: string }> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const pair = (await crypto.subtle.generateKey(algorithm, true, ["sign"])) as CryptoKeyPair;
  const point = (await crypto.subtle.exportKey("raw", pair.publicKey)) as ArrayBuffer;
  const { d = "" } = (await crypto.subtle.exportKey("jwk", pair.privateKey)) as JsonWebKey;
  return { publicKey: base64url.encode(new Uint8Array(point)), privateKey: d };
}

export const ids = { keyId: "ABCDE12345", teamId: "TEAM567890" };
export const subject = "mailto:push@example.com";

export const apnsBody = async (change: object = {}) => ({
  ...{ provider: "apns", privateKey: await ecKey(), ...ids },
  ...change,
});

/** As it comes from Google. */
export const serviceAccount = (change: object = {}) => ({
  type: "service_account",
  project_id: "my-app-1234",
  private_key_id: "0123456789abcdef",
  private_key: rsaKey,
  client_email: "firebase-adminsdk@my-app-1234.iam.gserviceaccount.com",
  client_id: "1",
  auth_uri: "https://accounts.google.com/o/oauth2/auth",
  token_uri: "https://evil.example/token",
  universe_domain: "googleapis.com",
  ...change,
});

export const fcmBody = (change: object = {}) => ({ provider: "fcm", serviceAccount: serviceAccount(change) });
export const vapidBody = async (change: object = {}) => ({
  ...{ provider: "webpush", ...(await webPushPair()), subject },
  ...change,
});

const path = "/v1/push/credentials";

export const upload = (app: TestApplication, body: unknown) =>
  request("PUT", path, { body, headers: basic(app) });

/** Uploads what has to be taken, and gives the answer. */
export async function uploaded(app: TestApplication, body: unknown) {
  const answer = await upload(app, body);
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.body;
}

export const listed = async (app: TestApplication) =>
  (await request("GET", path, { headers: basic(app) })).body.credentials;
export const removed = (app: TestApplication, id: string) =>
  request("DELETE", `${path}/${encodeURIComponent(id)}`, { headers: basic(app) });
export const deleteApplication = ({ key }: TestApplication) =>
  request("DELETE", `/v1/admin/applications/${key}`, { headers: adminHeaders() });
