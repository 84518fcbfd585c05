/** What an app's server makes for its users' devices. Keep the application secret here, never in the app. */
import { createHash, createHmac, randomUUID } from "node:crypto";

const encode = (/** @type {object} */ value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * Scheme 2: a signature. `sequence` has to be greater than the last one that was accepted for the
 * user; the time in milliseconds is, as long as two devices of one user do not ask in the same one.
 */
export function signature({ applicationKey, applicationSecret, userId, sequence = Date.now() }) {
  const text = `${userId}${applicationKey}${sequence}${applicationSecret}`;
  return { signature: createHash("sha1").update(text).digest("base64"), sequence };
}

/** Scheme 3: a JWT, good once and for `seconds` (60 or more). */
export function token({ applicationKey, applicationSecret, userId, seconds = 600, now = Date.now() }) {
  const iat = Math.floor(now / 1000);
  const date = new Date(iat * 1000).toISOString().slice(0, 10).replaceAll("-", "");
  const iss = `//rtc.sinch.com/applications/${applicationKey}`;
  const header = { alg: "HS256", kid: `hkdfv1-${date}` };
  const claims = { iss, sub: `${iss}/users/${userId}`, iat, exp: iat + seconds, nonce: randomUUID() };
  const key = createHmac("sha256", Buffer.from(applicationSecret, "base64")).update(date).digest();
  const text = `${encode(header)}.${encode(claims)}`;
  return { token: `${text}.${createHmac("sha256", key).update(text).digest("base64url")}` };
}
