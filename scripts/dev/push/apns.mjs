// @ts-check
/**
 * A stand-in for the Apple Push Notification service: both environments, over HTTP/2 and HTTP/1.1
 * (Apple's own has HTTP/2 only; workerd on a laptop speaks only the other).
 */
import { randomBytes, randomUUID } from "node:crypto";
import { statusOf, wrongHeader, wrongPayload } from "./apns-rules.mjs";
import { ProviderTokens } from "./apns-token.mjs";
import { Desk } from "./desk.mjs";
import { parseObject } from "./jwt.mjs";
import { listen } from "./listen.mjs";

/**
 * @typedef {import("./apns-token.mjs").Environment} Environment
 * @typedef {import("./apns-token.mjs").ApnsKey} ApnsKey
 * @typedef {import("./listen.mjs").Asked} Asked
 *
 * @typedef {object} ApnsDevice
 * @property {string} bundleId
 * @property {"voip" | "alert"} [type] whose token it is: PushKit's, or (missing) UIApplication's
 * @property {Environment} [environment] missing: production
 * @property {string} [token] hexadecimal; missing: a new one
 *
 * @typedef {ApnsDevice & { token: string, goneSince?: number, recent: number[] }} Registered
 */

export class Apns {
  #tokens = new ProviderTokens();
  /** @type {Map<string, Registered>} */
  #devices = new Map();
  /** The team that a connection began with. @type {WeakMap<object, string>} */
  #teams = new WeakMap();
  /** @type {import("./listen.mjs").Listener[]} */
  #listeners = [];
  #url = { production: "", development: "" };

  /**
   * `deviceRate`: so many pushes for one device in so many milliseconds, then TooManyRequests.
   *
   * @param {{ book: import("./desk.mjs").Book, clock: import("./desk.mjs").Clock, deviceRate?: { count: number, ms: number } }} options
   */
  constructor({ book, clock, deviceRate }) {
    this.clock = clock;
    this.deviceRate = deviceRate;
    this.desk = new Desk("apns", { book, clock }, ({ status, reason, retryAfter }) => ({
      ...refused(reason, status),
      ...(retryAfter && { headers: { "retry-after": String(retryAfter) } }),
    }));
  }

  /** @param {{ tls?: import("./listen.mjs").Tls }} [how] */
  async listen({ tls } = {}) {
    for (const environment of /** @type {const} */ (["production", "development"])) {
      const listener = await listen((asked) => this.#take(asked, environment), { tls });
      this.#listeners.push(listener);
      this.#url[environment] = listener.url;
    }
  }

  /** Where each environment is. */
  get url() {
    return this.#url;
  }

  /** @param {ApnsKey} key */
  addKey(key) {
    this.#tokens.add(key);
  }

  /** @param {ApnsDevice} device @returns {string} its token */
  addDevice(device) {
    const token = (device.token ?? randomBytes(32).toString("hex")).toLowerCase();
    this.#devices.set(token, { ...device, token, recent: [] });
    return token;
  }

  /** The app is gone from the device. @param {string} token @param {number} [since] milliseconds since 1970 */
  unregister(token, since = this.clock.now()) {
    const device = this.#devices.get(token.toLowerCase());
    if (device) device.goneSince = since;
  }

  /** How many provider tokens a key has shown. @param {string} keyId */
  mints(keyId) {
    return this.#tokens.mints(keyId);
  }

  async close() {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  /** @param {Asked} asked @param {Environment} environment */
  #take(asked, environment) {
    const { headers, body, http } = asked;
    const token = (/^\/3\/device\/([^/?]*)$/.exec(asked.path)?.[1] ?? "").toLowerCase();
    const { authorization: _, ...shown } = headers;
    const payload = parseObject(body.toString());
    const by = this.#tokens.check(headers.authorization, environment, this.clock.now());
    const id = headers["apns-id"] ?? randomUUID();
    const wrong = this.#wrong(asked, environment, token, by);
    const answer = wrong ? refused(wrong.reason, wrong.status, wrong.timestamp) : { status: 200 };
    return this.desk.settle(
      {
        token,
        headers: shown,
        body: payload,
        ...(typeof payload?.sin === "string" && { sin: payload.sin }),
        ...("key" in by && { credential: by.key.keyId }),
        bytes: body.length,
        http,
      },
      { answer: { ...answer, headers: { "apns-id": id, ...answer.headers } }, reason: wrong?.reason },
    );
  }

  /**
   * @param {Asked} asked @param {Environment} environment @param {string} token @param {import("./apns-token.mjs").TokenVerdict} by
   * @returns {{ reason: string, status?: number, timestamp?: number } | undefined}
   */
  #wrong(asked, environment, token, by) {
    if (!/^\/3\/device(\/[^/?]*)?$/.test(asked.path)) return { reason: "BadPath" };
    if (asked.method !== "POST") return { reason: "MethodNotAllowed" };
    if (!token) return { reason: "MissingDeviceToken" };
    if ("reason" in by) return by;
    if (this.#isOfOtherTeam(asked, by.key)) return { reason: "UnrelatedKeyIdInToken" };
    const header = wrongHeader(asked);
    if (header) return { reason: header };
    const topic = asked.headers["apns-topic"] ?? "";
    if (by.key.bundleIds && !by.key.bundleIds.includes(topic.replace(/\.voip$/, "")))
      return { reason: "TopicDisallowed" };
    const payload = wrongPayload(asked.body, asked.headers["apns-push-type"] ?? "");
    if (payload) return { reason: payload };
    return this.#wrongDevice(token, topic, environment);
  }

  /** “To use this token, open a new connection.” HTTP/1.1 is our own addition, and its connections are shared. @param {Asked} asked @param {ApnsKey} key */
  #isOfOtherTeam({ connection, http }, { teamId }) {
    if (http === "1.1") return false;
    const team = this.#teams.get(connection) ?? teamId;
    this.#teams.set(connection, team);
    return team !== teamId;
  }

  /** @param {string} token @param {string} topic @param {Environment} environment */
  #wrongDevice(token, topic, environment) {
    const device = this.#devices.get(token);
    if (!device || (device.environment ?? "production") !== environment) return { reason: "BadDeviceToken" };
    if (topic !== (device.type === "voip" ? `${device.bundleId}.voip` : device.bundleId))
      return { reason: "DeviceTokenNotForTopic" };
    if (device.goneSince !== undefined) return { reason: "Unregistered", timestamp: device.goneSince };
    if (!this.deviceRate) return undefined;
    const now = this.clock.now();
    const { count, ms } = this.deviceRate;
    device.recent = device.recent.filter((time) => time > now - ms);
    if (device.recent.length >= count) return { reason: "TooManyRequests" };
    device.recent.push(now);
    return undefined;
  }
}

/** @param {string} reason @param {number} [status] @param {number} [timestamp] @returns {import("./listen.mjs").Answer} */
function refused(reason, status = statusOf[reason] ?? 500, timestamp = undefined) {
  const headers = { "content-type": "application/json" };
  return { status, headers, body: JSON.stringify({ reason, ...(timestamp && { timestamp }) }) };
}
