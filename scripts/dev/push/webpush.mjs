// @ts-check
/** A stand-in for a push service of Web Push (RFC 8030) together with the browser behind it. */
import { randomBytes } from "node:crypto";
import { Desk } from "./desk.mjs";
import { parseObject } from "./jwt.mjs";
import { listen } from "./listen.mjs";
import { decrypt, newKeys } from "./webpush-keys.mjs";
import { checkVapid } from "./webpush-vapid.mjs";

/**
 * @typedef {import("./webpush-keys.mjs").Keys} Keys
 * @typedef {import("./listen.mjs").Asked} Asked
 * @typedef {{ status: number, reason: string }} Wrong
 *
 * What `PushSubscription.toJSON()` gives, and the key that it was made with.
 * @typedef {{ endpoint: string, keys: { p256dh: string, auth: string }, applicationServerKey?: string }} Subscription
 */

const mostBytes = 4_096;

export class WebPush {
  /** @type {Map<string, { keys: Keys, applicationServerKey?: string, gone: boolean }>} */
  #subscriptions = new Map();
  /** @type {import("./listen.mjs").Listener | undefined} */
  #listener;

  /** @param {{ book: import("./desk.mjs").Book, clock: import("./desk.mjs").Clock }} options */
  constructor({ book, clock }) {
    this.clock = clock;
    this.desk = new Desk("webpush", { book, clock }, (refusal) => refused(refusal));
  }

  /** @param {{ tls?: import("./listen.mjs").Tls }} [how] */
  async listen({ tls } = {}) {
    this.#listener = await listen((asked) => this.#take(asked), { tls });
  }

  get url() {
    return this.#listener?.url ?? "";
  }

  /**
   * A browser subscribes.
   *
   * @param {{ applicationServerKey?: string, id?: string, keys?: Keys }} [how] base64url; without a key, anybody may push
   * @returns {Subscription}
   */
  subscribe({ applicationServerKey, id = randomBytes(24).toString("base64url"), keys = newKeys() } = {}) {
    this.#subscriptions.set(`/push/${id}`, { keys, applicationServerKey, gone: false });
    return {
      endpoint: `${this.url}/push/${id}`,
      keys: { p256dh: keys.publicKey, auth: keys.auth },
      ...(applicationServerKey && { applicationServerKey }),
    };
  }

  /** The user took the permission away. @param {string} endpoint */
  unsubscribe(endpoint) {
    const subscription = this.#subscriptions.get(new URL(endpoint).pathname);
    if (subscription) subscription.gone = true;
  }

  async close() {
    await this.#listener?.close();
  }

  /** @param {Asked} asked */
  #take(asked) {
    const { path, headers, body, http } = asked;
    const subscription = this.#subscriptions.get(path);
    const by = checkVapid(headers.authorization, this.url, this.clock.now());
    const wrong = this.#wrong(asked, subscription, by);
    const { authorization: _, ...shown } = headers;
    const good = {
      status: 201,
      headers: {
        location: `${this.url}/message/${randomBytes(16).toString("base64url")}`,
        ttl: headers.ttl ?? "0",
      },
    };
    return this.desk.settle(
      {
        token: `${this.url}${path}`,
        headers: shown,
        ...(subscription && !wrong ? read(body, subscription.keys) : { body: undefined }),
        ...("key" in by && { credential: by.key }),
        bytes: body.length,
        http,
      },
      { answer: wrong ? refused(wrong) : good, reason: wrong?.reason },
    );
  }

  /**
   * @param {Asked} asked @param {{ applicationServerKey?: string, gone: boolean } | undefined} subscription
   * @param {import("./webpush-vapid.mjs").VapidVerdict} by @returns {Wrong | undefined}
   */
  #wrong({ method, headers, body }, subscription, by) {
    if (!subscription) return { status: 404, reason: "no such subscription" };
    if (method !== "POST") return { status: 405, reason: "only POST" };
    if ("status" in by) return by;
    const { applicationServerKey } = subscription;
    if (applicationServerKey && applicationServerKey !== by.key)
      return { status: 403, reason: "k= is not the key of the subscription" };
    if (subscription.gone) return { status: 410, reason: "unsubscribed" };
    const { ttl = "", urgency, topic } = headers;
    if (!/^\d+$/.test(ttl)) return { status: 400, reason: "TTL is missing or no number" };
    if (urgency !== undefined && !["very-low", "low", "normal", "high"].includes(urgency))
      return { status: 400, reason: "Urgency is none of the four" };
    if (topic !== undefined && !/^[A-Za-z0-9_-]{1,32}$/.test(topic))
      return { status: 400, reason: "Topic is no base64url of at most 32 characters" };
    if (body.length > 0 && headers["content-encoding"] !== "aes128gcm")
      return { status: 400, reason: "Content-Encoding is not aes128gcm" };
    if (body.length > mostBytes) return { status: 413, reason: "more than 4096 bytes" };
    return undefined;
  }
}

/**
 * As the browser reads it. The push service cannot: what does not decrypt was accepted all the same.
 *
 * @param {Buffer} body @param {Keys} keys @returns {{ body: unknown, sin?: string, problem?: string }}
 */
function read(body, keys) {
  if (body.length === 0) return { body: undefined };
  try {
    const text = decrypt(body, keys).toString();
    const content = parseObject(text);
    return { body: content ?? text, ...(typeof content?.sin === "string" && { sin: content.sin }) };
  } catch (error) {
    return { body: undefined, problem: `not decrypted: ${error instanceof Error ? error.message : error}` };
  }
}

/** @param {Wrong & { retryAfter?: number }} wrong @returns {import("./listen.mjs").Answer} */
function refused({ status, reason, retryAfter }) {
  return {
    status,
    headers: {
      "content-type": "text/plain",
      ...(status === 401 && { "www-authenticate": "vapid" }),
      ...(retryAfter && { "retry-after": String(retryAfter) }),
    },
    body: reason,
  };
}
