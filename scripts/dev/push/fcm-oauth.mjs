// @ts-check
/** Google's token endpoint for service accounts: “Using OAuth 2.0 for server to server applications”. */
import { createHmac, createPublicKey, randomBytes } from "node:crypto";
import { parseObject, readJwt } from "./jwt.mjs";

/**
 * @typedef {object} ServiceAccount
 * @property {string} clientEmail
 * @property {string} projectId
 * @property {string | Buffer} publicKey PEM; a private key does, too
 * @property {string} [privateKeyId]
 *
 * @typedef {{ token: string, expiresIn: number } | { error: string, description: string }} Grant
 */

const grantType = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const scopes = [
  "https://www.googleapis.com/auth/firebase.messaging",
  "https://www.googleapis.com/auth/cloud-platform",
];
/** The token endpoint by its own name; a stand-in's own address is accepted, too. */
const audience = "https://oauth2.googleapis.com/token";
const lifetimeSeconds = 3_600;
/** Clocks differ. */
const leewaySeconds = 60;
const timeframe =
  "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.";

export class AccessTokens {
  /** @type {Map<string, ServiceAccount & { pem: import("node:crypto").KeyObject, mints: number }>} */
  #accounts = new Map();
  /** @type {string | Buffer} */
  #secret;

  /** @param {string} [secret] with the same one, tokens outlive a restart */
  constructor(secret) {
    this.#secret = secret ?? randomBytes(32);
  }

  /** @param {ServiceAccount} account */
  add(account) {
    this.#accounts.set(account.clientEmail, {
      ...account,
      pem: createPublicKey(account.publicKey),
      mints: 0,
    });
  }

  /** How many access tokens an account was given. @param {string} clientEmail */
  mints(clientEmail) {
    return this.#accounts.get(clientEmail)?.mints ?? 0;
  }

  /** The tokens that were given are good for nothing from now on. */
  revoke() {
    this.#secret = randomBytes(32);
  }

  /** @param {string | undefined} authorization @param {number} now ms @returns {ServiceAccount | undefined} */
  accountOf(authorization, now) {
    const token = /^Bearer +(ya29\.(.+)\..+)$/i.exec(authorization ?? "");
    if (!token) return undefined;
    const { clientEmail, until } = parseObject(Buffer.from(token[2] ?? "", "base64url").toString()) ?? {};
    const account = this.#accounts.get(String(clientEmail));
    return account && token[1] === this.#token(token[2] ?? "") && Number(until) > now ? account : undefined;
  }

  /** @param {URLSearchParams} form @param {string} here this endpoint's own address @param {number} now ms @returns {Grant} */
  grant(form, here, now) {
    if (form.get("grant_type") !== grantType)
      return {
        error: "unsupported_grant_type",
        description: `Invalid grant_type: ${form.get("grant_type")}`,
      };
    const jwt = readJwt(form.get("assertion") ?? "");
    if (!jwt) return { error: "invalid_grant", description: "Invalid JWT: Failed to parse." };
    const { iss, scope, aud, iat, exp } = jwt.claims;
    const account = this.#accounts.get(String(iss));
    if (!account) return { error: "invalid_grant", description: "Invalid grant: account not found" };
    const otherKey =
      jwt.header.kid !== undefined && account.privateKeyId && jwt.header.kid !== account.privateKeyId;
    if (jwt.header.alg !== "RS256" || otherKey || !jwt.signedBy(account.pem))
      return { error: "invalid_grant", description: "Invalid JWT Signature." };
    if (aud !== audience && aud !== here)
      return { error: "invalid_grant", description: "Invalid JWT: Failed audience check." };
    if (!isTimely(iat, exp, now / 1_000)) return { error: "invalid_grant", description: timeframe };
    if (
      !String(scope ?? "")
        .split(" ")
        .some((one) => scopes.includes(one))
    )
      return { error: "invalid_scope", description: "Invalid OAuth scope or ID token audience provided." };
    account.mints += 1;
    const until = now + lifetimeSeconds * 1_000;
    const { clientEmail, mints } = account;
    const about = Buffer.from(JSON.stringify({ clientEmail, until, mints })).toString("base64url");
    return { token: this.#token(about), expiresIn: lifetimeSeconds - 1 };
  }

  /** @param {string} about */
  #token(about) {
    return `ya29.${about}.${createHmac("sha256", this.#secret).update(about).digest("base64url")}`;
  }
}

/** @param {unknown} iat @param {unknown} exp @param {number} now all in seconds */
function isTimely(iat, exp, now) {
  if (!Number.isInteger(iat) || !Number.isInteger(exp)) return false;
  const [from, to] = [Number(iat), Number(exp)];
  return (
    to - from <= lifetimeSeconds && to > from && from <= now + leewaySeconds && to >= now - leewaySeconds
  );
}
