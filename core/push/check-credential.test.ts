import { createECDH, generateKeyPairSync } from "node:crypto";
import { importPKCS8, SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { checkPushCredential, makeVapidCredential } from "./check-credential";
import type { PushCredentialData, VapidCredential } from "./credentials";

const pkcs8 = { type: "pkcs8", format: "pem" } as const;
const spki = { type: "spki", format: "pem" } as const;
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2_048 });
const p8 = p256.privateKey.export(pkcs8).toString();
const rsaPem = rsa.privateKey.export(pkcs8).toString();
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey.export(pkcs8).toString();
const ed25519 = generateKeyPairSync("ed25519").privateKey.export(pkcs8).toString();
const weak = generateKeyPairSync("rsa", { modulusLength: 1_024 }).privateKey.export(pkcs8).toString();
const publicPem = p256.publicKey.export(spki).toString();
const sec1 = p256.privateKey.export({ type: "sec1", format: "pem" }).toString();
const pkcs1 = rsa.privateKey.export({ type: "pkcs1", format: "pem" }).toString();
const encrypted = p256.privateKey
  .export({ ...pkcs8, cipher: "aes-256-cbc", passphrase: "secret" })
  .toString();

const apns = (privateKey: string): PushCredentialData => ({
  ...{ provider: "apns", privateKey, keyId: "ABCDE12345", teamId: "TEAM567890" },
});
const fcm = (privateKey: string): PushCredentialData => ({
  ...{ provider: "fcm", projectId: "p", clientEmail: "a@p", privateKeyId: "k", privateKey },
});

async function problemOf(credential: PushCredentialData) {
  const checked = await checkPushCredential(credential);
  return checked.ok ? undefined : `${checked.error.errorCode} ${checked.error.detail}`;
}
async function accepted(credential: PushCredentialData) {
  const checked = await checkPushCredential(credential);
  if (!checked.ok) throw new Error(checked.error.detail);
  return checked.value;
}

const wrongForBoth: [string, string, string][] = [
  ["nothing", "", "is no PEM"],
  ["a path", "AuthKey_ABCDE12345.p8", "is no PEM"],
  ["base64 alone", p8.replace(/-----.*-----\n/g, ""), "is no PEM"],
  ["no last line", p8.replace(/-----END.*/, ""), "is no PEM"],
  ["a public key", publicPem, "is a public key"],
  ["a certificate", p8.replaceAll("PRIVATE KEY", "CERTIFICATE"), "is a certificate"],
  ["SEC 1", sec1, "PKCS #8: convert it"],
  ["PKCS #1", pkcs1, "PKCS #8: convert it"],
  ["an encrypted one", encrypted, "is encrypted"],
  ["PGP", p8.replaceAll("PRIVATE KEY", "PGP MESSAGE"), "something else: PGP MESSAGE"],
  ["a wrong character", p8.replace("M", "!"), "is a damaged PEM"],
  ["line breaks in two characters", p8.replaceAll("\n", "\\n"), "is a damaged PEM"],
  ["a part of it", p8.replace(/\n[^-]{40}/, "\n"), "holds no PKCS #8 key"],
  ["an empty one", "-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----", "holds no PKCS #8 key"],
  ["a P-384 key", p384, "is a P-384 key, not a"],
  ["an Ed25519 key", ed25519, "is an Ed25519 key, not a"],
];

describe("APNs", () => {
  test.each(wrongForBoth)("%s", async (_, text, problem) => {
    expect(await problemOf(apns(text))).toMatch(/^40002 privateKey: /);
    expect(await problemOf(apns(text))).toContain(problem);
  });

  test("an RSA key", async () => {
    expect(await problemOf(apns(rsaPem))).toBe("40002 privateKey: is an RSA key, not a P-256 key");
  });

  test.each([
    ["as it is", p8],
    ["with CRLF", p8.replaceAll("\n", "\r\n")],
    ["with a byte order mark and words around it", `\ufeffBag Attributes\n ${p8} \n\n`],
    ["in one line", p8.replace(/\n(?!-)/g, "").replace("KEY-----", "KEY-----\n")],
  ])("a good one, %s, is one that signs", async (_, text) => {
    const { privateKey } = await accepted(apns(text));
    expect(privateKey).toBe(p8);
    const key = await importPKCS8(privateKey, "ES256");
    await new SignJWT({}).setProtectedHeader({ alg: "ES256" }).sign(key);
  });
});

describe("FCM", () => {
  test.each(wrongForBoth)("%s", async (_, text, problem) => {
    expect(await problemOf(fcm(text))).toMatch(/^40002 serviceAccount\.private_key: /);
    expect(await problemOf(fcm(text))).toContain(problem);
  });

  test("a P-256 key, and an RSA key that nobody signs with any more", async () => {
    expect(await problemOf(fcm(p8))).toContain("is a P-256 key, not an RSA key");
    expect(await problemOf(fcm(weak))).toContain("less than 2048 bits");
  });

  test("a good one signs", async () => {
    const { privateKey } = await accepted(fcm(rsaPem));
    const key = await importPKCS8(privateKey, "RS256");
    await new SignJWT({}).setProtectedHeader({ alg: "RS256" }).sign(key);
  });
});

describe("Web Push", () => {
  const pair = createECDH("prime256v1");
  pair.generateKeys();
  const good: VapidCredential = {
    ...{ provider: "webpush", subject: "mailto:a@example.com" },
    publicKey: pair.getPublicKey("base64url"),
    privateKey: pair.getPrivateKey("base64url").padStart(43, "A"),
  };
  const other = createECDH("prime256v1");
  other.generateKeys();
  const bytes = (change: (point: Buffer) => void) => {
    const point = pair.getPublicKey();
    change(point);
    return point.toString("base64url");
  };
  const flipped = bytes((point) => point.writeUInt8(point.readUInt8(64) ^ 1, 64));

  test.each<[string, Partial<VapidCredential>, string]>([
    ["an empty public key", { publicKey: "" }, "publicKey: has to be 65 bytes"],
    ["base64", { publicKey: `${pair.getPublicKey("base64")}` }, "publicKey: has to be 65 bytes"],
    ["padding", { publicKey: `${good.publicKey}=` }, "publicKey: has to be 65 bytes"],
    ["a blank", { publicKey: ` ${good.publicKey}` }, "publicKey: has to be 65 bytes"],
    ["another spelling of the last bits", { publicKey: spelledOtherwise(good.publicKey) }, "65 bytes"],
    ["a compressed point", { publicKey: pair.getPublicKey("base64url", "compressed") }, "65 bytes"],
    ["a hybrid point", { publicKey: pair.getPublicKey("base64url", "hybrid") }, "is no uncompressed point"],
    ["a point elsewhere", { publicKey: flipped }, "is no uncompressed point of the curve"],
    ["65 zeros", { publicKey: bytes((point) => point.fill(0)) }, "is no uncompressed point"],
    ["an empty private key", { privateKey: "" }, "privateKey: has to be 32 bytes"],
    ["31 bytes", { privateKey: Buffer.alloc(31, 1).toString("base64url") }, "privateKey: has to be 32"],
    ["a PEM", { privateKey: p8 }, "privateKey: has to be 32 bytes"],
    ["zero", { privateKey: Buffer.alloc(32).toString("base64url") }, "does not belong to publicKey"],
    ["too large a number", { privateKey: Buffer.alloc(32, 255).toString("base64url") }, "does not belong"],
    [
      "the key of another pair",
      { publicKey: other.getPublicKey("base64url") },
      "privateKey: does not belong",
    ],
  ])("%s", async (_, change, problem) => {
    const found = await problemOf({ ...good, ...change });
    expect(found).toMatch(/^40002 /);
    expect(found).toContain(problem);
  });

  test("a pair that belongs together, and one that is made here", async () => {
    expect(await accepted(good)).toEqual(good);
    const made = await makeVapidCredential("mailto:b@example.com");
    expect(await accepted(made)).toEqual(made);
    expect(await makeVapidCredential("mailto:b@example.com")).not.toEqual(made);
    const other = createECDH("prime256v1");
    other.setPrivateKey(Buffer.from(made.privateKey, "base64url"));
    expect(other.getPublicKey("base64url")).toBe(made.publicKey);
  });
});

/** The last character of 65 bytes has two bits that say nothing. */
function spelledOtherwise(text: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + alphabet[alphabet.indexOf(text.slice(-1)) + 1];
}
