// @ts-check
/** JSON Web Tokens (RFC 7515, 7519), read as strictly as the providers read them. */
import { verify } from "node:crypto";

/**
 * @typedef {object} Jwt
 * @property {Record<string, unknown>} header
 * @property {Record<string, unknown>} claims
 * @property {(key: import("node:crypto").KeyObject) => boolean} signedBy with the algorithm that the header names: ES256 or RS256
 */

/** @param {string} text @returns {Jwt | undefined} undefined: it is none */
export function readJwt(text) {
  const [head = "", body = "", signature = "", ...more] = text.split(".");
  const [header, claims] = [objectOf(head), objectOf(body)];
  if (!header || !claims || more.length > 0 || !isBase64url(signature)) return undefined;
  return {
    header,
    claims,
    signedBy(key) {
      const type = { ES256: "ec", RS256: "rsa" }[String(header.alg)];
      if (!type || key.asymmetricKeyType !== type) return false;
      // JOSE has r and s side by side; OpenSSL's own form is DER.
      const how = type === "ec" ? { key, dsaEncoding: /** @type {const} */ ("ieee-p1363") } : key;
      return verify("sha256", Buffer.from(`${head}.${body}`), how, Buffer.from(signature, "base64url"));
    },
  };
}

/** Whether it is base64url without padding, as JOSE and Web Push want it. */
export function isBase64url(/** @type {string} */ text) {
  return /^[A-Za-z0-9_-]+$/.test(text) && Buffer.from(text, "base64url").toString("base64url") === text;
}

/** @param {string} part @returns {Record<string, unknown> | undefined} */
function objectOf(part) {
  if (!isBase64url(part)) return undefined;
  return parseObject(Buffer.from(part, "base64url").toString());
}

/** @param {string} text @returns {Record<string, unknown> | undefined} undefined: no JSON, or not of an object */
export function parseObject(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
