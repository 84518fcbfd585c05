/** Keys as providers and browsers write them, read as far as it takes to say what is wrong with one. */
import { base64url } from "jose";
import { type Bytes, fromBase64, toBase64, utf8 } from "../authentication/bytes";

const ecdsa = { name: "ECDSA", namedCurve: "P-256" };
const signing = { name: "ECDSA", hash: "SHA-256" };

/** What a PKCS #8 key can be, the likely ones first. */
const algorithms = {
  "a P-256 key": ecdsa,
  "an RSA key": { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  "a P-384 key": { name: "ECDSA", namedCurve: "P-384" },
  "a P-521 key": { name: "ECDSA", namedCurve: "P-521" },
  "an Ed25519 key": { name: "Ed25519" },
};

/** What else comes as PEM. */
const otherBlocks: Record<string, string> = {
  "PUBLIC KEY": "is a public key, where the private one is needed",
  CERTIFICATE: "is a certificate, where the key of a .p8 file is needed",
  "EC PRIVATE KEY": "is not in the form PKCS #8: convert it with openssl pkcs8 -topk8 -nocrypt",
  "RSA PRIVATE KEY": "is not in the form PKCS #8: convert it with openssl pkcs8 -topk8 -nocrypt",
  "ENCRYPTED PRIVATE KEY": "is encrypted: decrypt it with openssl pkcs8",
};

const pemBlock = /-----BEGIN ([A-Z0-9 ]+)-----([\s\S]*?)-----END \1-----/;

/** The key in its plain form, or what is wrong with it. */
export type PrivateKeyRead = { pem: string } | { problem: string };

/** Reads a PEM (PKCS #8) with a private key of this kind; what stands around it is left out. */
export async function readPrivateKey(
  text: string,
  wanted: "a P-256 key" | "an RSA key",
): Promise<PrivateKeyRead> {
  const [, label = "", body = ""] = pemBlock.exec(text) ?? [];
  if (!label) return { problem: "is no PEM: it begins with -----BEGIN PRIVATE KEY-----" };
  if (label !== "PRIVATE KEY") {
    return { problem: otherBlocks[label] ?? `is a PEM of something else: ${label.slice(0, 40)}` };
  }
  const der = fromBase64(body);
  if (!der) return { problem: "is a damaged PEM: what is between its first and last line is not base64" };
  const [found, key] = await recognize(der);
  if (!key) return { problem: "is a PEM, but holds no PKCS #8 key that can be read" };
  if (found !== wanted) return { problem: `is ${found}, not ${wanted}` };
  // What signs with it refuses shorter ones, as Google does.
  if ("modulusLength" in key.algorithm && Number(key.algorithm.modulusLength) < 2_048) {
    return { problem: "is an RSA key of less than 2048 bits" };
  }
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return { pem: ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n") };
}

async function recognize(der: Bytes): Promise<[string, CryptoKey | undefined]> {
  for (const [name, algorithm] of Object.entries(algorithms)) {
    const key = await imported(() => crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]));
    if (key) return [name, key];
  }
  return ["", undefined];
}

/** Whether it is base64url of so many bytes, without padding: the one way to write them. */
export function isBase64Url(text: string, bytes: number): boolean {
  return bytesOf(text)?.length === bytes;
}

function bytesOf(text: string): Uint8Array | undefined {
  if (!/^[\w-]*$/.test(text)) return undefined;
  try {
    const bytes = base64url.decode(text);
    return base64url.encode(bytes) === text ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Whether it is base64url of an uncompressed point of P-256. */
export async function isPublicKey(text: string): Promise<boolean> {
  return (await publicKeyOf(text)) !== undefined;
}

async function publicKeyOf(text: string): Promise<CryptoKey | undefined> {
  const point = bytesOf(text);
  if (point?.length !== 65 || point[0] !== 4) return undefined;
  return imported(() => crypto.subtle.importKey("raw", new Uint8Array(point), ecdsa, true, ["verify"]));
}

/** Whether what the private key signs is signed by the public one. Both in base64url. */
export async function areOnePair(publicKey: string, privateKey: string): Promise<boolean> {
  const verifying = await publicKeyOf(publicKey);
  if (!verifying) return false;
  const { x, y } = (await crypto.subtle.exportKey("jwk", verifying)) as JsonWebKey;
  const jwk = { kty: "EC", crv: "P-256", x, y, d: privateKey };
  const key = await imported(() => crypto.subtle.importKey("jwk", jwk, ecdsa, false, ["sign"]));
  if (!key) return false;
  // Most platforms have refused another pair's key by now, but nothing says that they have to.
  const text = utf8("one pair");
  return crypto.subtle.verify(signing, verifying, await crypto.subtle.sign(signing, key, text), text);
}

/** A new pair, both in base64url: 65 bytes and 32. */
export async function makePair(): Promise<{ publicKey: string; privateKey: string }> {
  const pair = (await crypto.subtle.generateKey(ecdsa, true, ["sign"])) as CryptoKeyPair;
  const point = (await crypto.subtle.exportKey("raw", pair.publicKey)) as ArrayBuffer;
  const { d = "" } = (await crypto.subtle.exportKey("jwk", pair.privateKey)) as JsonWebKey;
  return { publicKey: base64url.encode(new Uint8Array(point)), privateKey: d };
}

/** Undefined where the platform says that it is no such key. */
async function imported(importKey: () => Promise<CryptoKey>): Promise<CryptoKey | undefined> {
  try {
    return await importKey();
  } catch {
    return undefined;
  }
}
