// @ts-check
/** Voluntary application server identification (RFC 8292). */
import { createPublicKey } from "node:crypto";
import { isBase64url, readJwt } from "./jwt.mjs";

/** @typedef {{ key: string } | { status: number, reason: string }} VapidVerdict */

const mostSeconds = 24 * 3_600;

/**
 * @param {string | undefined} authorization @param {string} origin of the push service @param {number} now ms
 * @returns {VapidVerdict} the application server's key
 */
export function checkVapid(authorization, origin, now) {
  const scheme = /^vapid +(.*)$/i.exec(authorization ?? "")?.[1];
  if (scheme === undefined) return { status: 401, reason: "no VAPID" };
  const parts = Object.fromEntries(scheme.split(",").map((part) => part.trim().split(/=(.*)/s, 2)));
  const publicKey = keyOf(parts.k ?? "");
  const jwt = readJwt(parts.t ?? "");
  const bad = (/** @type {string} */ reason) => ({ status: 403, reason });
  if (!publicKey || !jwt) return bad("t= or k= is missing or malformed");
  if (jwt.header.alg !== "ES256" || !jwt.signedBy(publicKey)) return bad("the signature is not of k=");
  const { aud, exp, sub } = jwt.claims;
  if (aud !== origin) return bad(`aud is not ${origin}`);
  if (!Number.isInteger(exp) || Number(exp) <= now / 1_000) return bad("exp is over");
  if (Number(exp) > now / 1_000 + mostSeconds) return bad("exp is more than 24 hours away");
  // The RFC asks for it, Apple insists.
  if (!/^(mailto:.+@.+|https:\/\/.+)/.test(String(sub ?? ""))) return bad("sub is no mailto: or https:");
  return { key: String(parts.k) };
}

/** @param {string} text base64url of an uncompressed point */
function keyOf(text) {
  const point = Buffer.from(text, "base64url");
  if (!isBase64url(text) || point.length !== 65 || point[0] !== 4) return undefined;
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((part) => part.toString("base64url"));
  try {
    return createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" });
  } catch {
    return undefined;
  }
}
