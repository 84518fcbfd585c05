// @ts-check
/**
 * Provider tokens, as in Apple's “Establishing a token-based connection to APNs”: ES256, `iss` the
 * team, `kid` the key, `iat` at most an hour ago, and a new one at most every 20 minutes for a key.
 */
import { createPublicKey } from "node:crypto";
import { readJwt } from "./jwt.mjs";

/**
 * @typedef {"production" | "development"} Environment
 *
 * @typedef {object} ApnsKey
 * @property {string} keyId
 * @property {string} teamId
 * @property {string | Buffer} publicKey PEM; a private key does, too
 * @property {string[]} [bundleIds] what the key may push to; missing: all of the team
 * @property {Environment} [environment] missing: both
 *
 * @typedef {{ key: ApnsKey } | { reason: string }} TokenVerdict
 */

const maxAgeSeconds = 3_600;
const betweenMintsMs = 20 * 60_000;
/** Clocks differ. */
const leewaySeconds = 60;

export class ProviderTokens {
  /** @type {Map<string, ApnsKey & { pem: import("node:crypto").KeyObject, seen: Set<string>, last: number }>} */
  #keys = new Map();

  /** @param {ApnsKey} key */
  add(key) {
    const pem = createPublicKey(key.publicKey);
    this.#keys.set(key.keyId, { ...key, pem, seen: new Set(), last: Number.NEGATIVE_INFINITY });
  }

  /** How many tokens a key has shown, those that were too many left out. @param {string} keyId */
  mints(keyId) {
    return this.#keys.get(keyId)?.seen.size ?? 0;
  }

  /** @param {string | undefined} authorization @param {Environment} environment @param {number} now ms @returns {TokenVerdict} */
  check(authorization, environment, now) {
    const token = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    if (!token) return { reason: "MissingProviderToken" };
    const jwt = readJwt(token);
    const key = this.#keys.get(String(jwt?.header.kid));
    if (!jwt || !key || jwt.header.alg !== "ES256" || !jwt.signedBy(key.pem))
      return { reason: "InvalidProviderToken" };
    const { iss, iat } = jwt.claims;
    if (iss !== key.teamId || !Number.isInteger(iat)) return { reason: "InvalidProviderToken" };
    const age = now / 1_000 - Number(iat);
    if (age < -leewaySeconds) return { reason: "InvalidProviderToken" };
    if (age > maxAgeSeconds) return { reason: "ExpiredProviderToken" };
    if (!key.seen.has(token)) {
      if (now - key.last < betweenMintsMs) return { reason: "TooManyProviderTokenUpdates" };
      key.seen.add(token);
      key.last = now;
    }
    if (key.environment && key.environment !== environment) return { reason: "BadEnvironmentKeyIdInToken" };
    return { key };
  }
}
