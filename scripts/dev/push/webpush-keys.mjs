// @ts-check
/** A browser's side of Web Push: its keys, and how it reads a message (RFC 8188, RFC 8291). */
import { createDecipheriv, createECDH, hkdfSync, randomBytes } from "node:crypto";

/** @typedef {{ privateKey: string, publicKey: string, auth: string }} Keys base64url; the public key is what a subscription calls `p256dh` */

/** @returns {Keys} */
export function newKeys() {
  const ecdh = createECDH("prime256v1");
  const publicKey = ecdh.generateKeys("base64url");
  const privateKey = padded(ecdh.getPrivateKey()).toString("base64url");
  return { privateKey, publicKey, auth: randomBytes(16).toString("base64url") };
}

/** @param {Buffer} body of a message with `Content-Encoding: aes128gcm` @param {Keys} keys @returns {Buffer} Errors: it throws what is wrong */
export function decrypt(body, keys) {
  const idLength = body[20] ?? 0;
  const header = 21 + idLength;
  if (idLength !== 65 || body.length < header + 17) throw new Error("the header names no key of 65 bytes");
  const recordSize = body.readUInt32BE(16);
  const sealed = body.subarray(header);
  if (sealed.length > recordSize) throw new Error("more than one record");
  const senderKey = body.subarray(21, header);
  const { key, nonce } = contentKeys(body.subarray(0, 16), senderKey, keys);
  const decipher = createDecipheriv("aes-128-gcm", key, nonce);
  decipher.setAuthTag(sealed.subarray(-16));
  const text = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
  const end = text.findLastIndex((byte) => byte !== 0);
  if (text[end] !== 2) throw new Error("the last record does not end with its delimiter");
  return text.subarray(0, end);
}

/** @param {Buffer} salt @param {Buffer} senderKey @param {Keys} keys */
function contentKeys(salt, senderKey, keys) {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(keys.privateKey, "base64url");
  const shared = ecdh.computeSecret(senderKey);
  const about = Buffer.concat([
    Buffer.from("WebPush: info\0"),
    Buffer.from(keys.publicKey, "base64url"),
    senderKey,
  ]);
  const secret = Buffer.from(hkdfSync("sha256", shared, Buffer.from(keys.auth, "base64url"), about, 32));
  const derive = (/** @type {string} */ name, /** @type {number} */ bytes) =>
    Buffer.from(hkdfSync("sha256", secret, salt, `Content-Encoding: ${name}\0`, bytes));
  return { key: derive("aes128gcm", 16), nonce: derive("nonce", 12) };
}

/** Leading zeros are left out by OpenSSL. @param {Buffer} scalar */
function padded(scalar) {
  return Buffer.concat([Buffer.alloc(32 - scalar.length), scalar]);
}
