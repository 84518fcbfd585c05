// @ts-check
/** Digest authentication (RFC 3261, 22, and RFC 2617) from the side of the one who asks for it. */
import { createHash } from "node:crypto";

const md5 = (/** @type {string[]} */ ...parts) => createHash("md5").update(parts.join(":")).digest("hex");

/** @typedef {{ realm: string, user: string, password: string }} Account */

export class Digest {
  /** By nonce, the last count that came with it. @type {Map<string, number>} */
  #nonces = new Map();

  /** @param {Account} account @param {() => string} randomText */
  constructor(account, randomText) {
    this.account = account;
    this.randomText = randomText;
  }

  /** A value of Proxy-Authenticate. `stale`: the credentials were right, once. */
  challenge(stale = false) {
    const nonce = this.randomText();
    this.#nonces.set(nonce, 0);
    for (const [oldest] of this.#nonces) if (this.#nonces.size > 1_000) this.#nonces.delete(oldest);
    const more = stale ? ", stale=true" : "";
    return `Digest realm="${this.account.realm}", nonce="${nonce}", algorithm=MD5, qop="auth"${more}`;
  }

  /** @param {import("./messages.mjs").Request} request @returns {"right" | "stale" | "missing" | "wrong"} */
  check({ method, uri, headers }) {
    const given = (headers["Proxy-Authorization"] ?? []).map(parameters);
    const { realm, user, password } = this.account;
    const credentials = given.find((one) => one.realm === realm);
    if (!credentials) return "missing";
    const { nonce = "", nc = "", cnonce = "", qop, response } = credentials;
    const ha1 = md5(user, realm, password);
    const expected = md5(ha1, nonce, nc, cnonce, "auth", md5(method, credentials.uri ?? ""));
    const right = credentials.username === user && credentials.uri === uri && qop === "auth" && cnonce;
    if (!right || response !== expected) return "wrong";
    const last = this.#nonces.get(nonce);
    const count = /^[0-9a-f]{8}$/i.test(nc) ? Number.parseInt(nc, 16) : 0;
    // A count that comes again is somebody who has listened.
    if (last === undefined || count <= last) return "stale";
    this.#nonces.set(nonce, count);
    return "right";
  }
}

/** @param {string} header @returns {Record<string, string>} */
function parameters(header) {
  const found = header.replace(/^Digest\s+/i, "").matchAll(/(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g);
  return Object.fromEntries(
    [...found].map(([, name = "", quoted, plain]) => [
      name.toLowerCase(),
      plain ?? quoted?.replace(/\\(.)/g, "$1") ?? "",
    ]),
  );
}
