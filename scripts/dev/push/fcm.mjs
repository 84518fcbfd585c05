// @ts-check
/** A stand-in for Firebase Cloud Messaging, HTTP v1, with Google's token endpoint for service accounts. */
import { randomBytes, randomInt } from "node:crypto";
import { Desk } from "./desk.mjs";
import { wrongMessage } from "./fcm-message.mjs";
import { AccessTokens } from "./fcm-oauth.mjs";
import { parseObject } from "./jwt.mjs";
import { listen } from "./listen.mjs";

/**
 * @typedef {import("./fcm-oauth.mjs").ServiceAccount} ServiceAccount
 * @typedef {import("./listen.mjs").Asked} Asked
 * @typedef {import("./listen.mjs").Answer} Answer
 * @typedef {import("./desk.mjs").Trouble} Trouble
 *
 * `code` is FCM's own error, `field` what Google's JSON reader did not like.
 * @typedef {{ http: number, status: string, message: string, code?: string, field?: string, retryAfter?: number }} Failure
 */

/** google.rpc.Code by HTTP status. @type {Record<number, string>} */
const statuses = { 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE" };

export class Fcm {
  #access;
  /** @type {Map<string, { projectId: string, gone: boolean }>} */
  #devices = new Map();
  /** @type {import("./listen.mjs").Listener | undefined} */
  #listener;
  /** Of the token endpoint. @type {{ trouble: Trouble, times: number } | undefined} */
  #tokenTrouble;

  /**
   * `secret`: with the same one, access tokens outlive a restart.
   *
   * @param {{ book: import("./desk.mjs").Book, clock: import("./desk.mjs").Clock, secret?: string }} options
   */
  constructor({ book, clock, secret }) {
    this.#access = new AccessTokens(secret);
    this.clock = clock;
    this.desk = new Desk("fcm", { book, clock }, ({ status, reason, retryAfter }) =>
      failed({ http: status, status: statuses[status] ?? reason, message: reason, code: reason, retryAfter }),
    );
  }

  /** @param {{ tls?: import("./listen.mjs").Tls }} [how] */
  async listen({ tls } = {}) {
    this.#listener = await listen(
      (asked) => (asked.path === "/token" ? this.#grant(asked) : this.#send(asked)),
      { tls },
    );
  }

  get url() {
    return this.#listener?.url ?? "";
  }

  get tokenUrl() {
    return `${this.url}/token`;
  }

  /** @param {ServiceAccount} account */
  addAccount(account) {
    this.#access.add(account);
  }

  /** @param {{ projectId: string, token?: string }} device @returns {string} its registration token */
  addDevice({ projectId, token = newToken() }) {
    this.#devices.set(token, { projectId, gone: false });
    return token;
  }

  /** The app is gone from the device. @param {string} token */
  unregister(token) {
    const device = this.#devices.get(token);
    if (device) device.gone = true;
  }

  /** How many access tokens an account was given. @param {string} clientEmail */
  mints(clientEmail) {
    return this.#access.mints(clientEmail);
  }

  /** The access tokens that were given are good for nothing from now on. */
  revokeAccess() {
    this.#access.revoke();
  }

  /** Trouble of the token endpoint. @param {Trouble} trouble @param {number} [times] */
  tokenTrouble(trouble, times = Number.POSITIVE_INFINITY) {
    this.#tokenTrouble = { trouble, times };
  }

  calm() {
    this.#tokenTrouble = undefined;
    this.desk.calm();
  }

  async close() {
    await this.#listener?.close();
  }

  /** @param {Asked} asked @returns {Promise<import("./listen.mjs").Reply>} */
  async #grant({ method, headers, body }) {
    const json = { "content-type": "application/json; charset=utf-8" };
    const trouble = this.#nextTokenTrouble();
    if (trouble?.kind === "never" || trouble?.kind === "cut") return { answer: trouble.kind };
    if (trouble?.kind === "refuse")
      return { answer: { status: trouble.status, headers: json, body: `{"error":"${trouble.reason}"}` } };
    if (trouble?.kind === "delay") await new Promise((resolve) => setTimeout(resolve, trouble.ms));
    const isForm = headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
    if (method !== "POST" || !isForm)
      return { answer: { status: 400, headers: json, body: '{"error":"invalid_request"}' } };
    const grant = this.#access.grant(new URLSearchParams(body.toString()), this.tokenUrl, this.clock.now());
    const answer =
      "token" in grant
        ? { access_token: grant.token, expires_in: grant.expiresIn, token_type: "Bearer" }
        : { error: grant.error, error_description: grant.description };
    return { answer: { status: "token" in grant ? 200 : 400, headers: json, body: JSON.stringify(answer) } };
  }

  #nextTokenTrouble() {
    if (!this.#tokenTrouble || this.#tokenTrouble.times-- <= 0) return undefined;
    return this.#tokenTrouble.trouble;
  }

  /** @param {Asked} asked */
  #send({ method, path, headers, body, http }) {
    const content = parseObject(body.toString());
    const message = /** @type {{ token?: unknown, data?: { sin?: unknown } } | undefined} */ (
      content?.message
    );
    const token = typeof message?.token === "string" ? message.token : "";
    const account = this.#access.accountOf(headers.authorization, this.clock.now());
    const projectId = /^\/v1\/projects\/([^/]+)\/messages:send$/.exec(path)?.[1];
    const wrong = this.#wrong({ method, projectId, account, type: headers["content-type"], content, token });
    const { authorization: _, ...shown } = headers;
    const sin = message?.data?.sin;
    const name = { name: `projects/${projectId}/messages/0:${Date.now()}%${randomBytes(8).toString("hex")}` };
    return this.desk.settle(
      {
        token,
        headers: shown,
        body: content,
        ...(typeof sin === "string" && { sin }),
        ...(account && { credential: account.clientEmail }),
        bytes: body.length,
        http,
      },
      {
        answer: wrong
          ? failed(wrong)
          : { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(name) },
        reason: wrong && (wrong.code ?? wrong.status),
      },
    );
  }

  /**
   * @param {{ method: string, projectId: string | undefined, account: ServiceAccount | undefined, type: string | undefined, content: Record<string, unknown> | undefined, token: string }} request
   * @returns {Failure | undefined}
   */
  #wrong({ method, projectId, account, type, content, token }) {
    if (method !== "POST" || !projectId) return { http: 404, status: "NOT_FOUND", message: "Not found." };
    if (!account)
      return {
        http: 401,
        status: "UNAUTHENTICATED",
        message: "Request had invalid authentication credentials. Expected OAuth 2 access token.",
      };
    if (account.projectId !== projectId)
      return {
        http: 403,
        status: "PERMISSION_DENIED",
        message: `Permission 'cloudmessaging.messages.create' denied on resource '//cloudresourcemanager.googleapis.com/projects/${projectId}' (or it may not exist).`,
      };
    const wrong = wrongMessage(type?.startsWith("application/json") ? content : undefined);
    if (wrong)
      return {
        http: 400,
        status: "INVALID_ARGUMENT",
        ...wrong,
        ...(wrong.field === undefined && { code: "INVALID_ARGUMENT" }),
      };
    return this.#wrongDevice(token, projectId);
  }

  /** @param {string} token @param {string} projectId @returns {Failure | undefined} */
  #wrongDevice(token, projectId) {
    const device = this.#devices.get(token);
    if (!device && !/^[\w-]{10,}:[\w-]{100,}$/.test(token)) {
      const message = "The registration token is not a valid FCM registration token";
      return { http: 400, status: "INVALID_ARGUMENT", message, code: "INVALID_ARGUMENT" };
    }
    if (!device || device.gone)
      return {
        http: 404,
        status: "NOT_FOUND",
        message: "Requested entity was not found.",
        code: "UNREGISTERED",
      };
    if (device.projectId !== projectId)
      return {
        http: 403,
        status: "PERMISSION_DENIED",
        message: "SenderId mismatch",
        code: "SENDER_ID_MISMATCH",
      };
    return undefined;
  }
}

/** As long as a real one. */
function newToken() {
  return `${randomBytes(16).toString("base64url")}:APA91b${randomBytes(100).toString("base64url")}${randomInt(10)}`;
}

/** @param {Failure} failure @returns {Answer} */
function failed({ http, status, message, code, field, retryAfter }) {
  const details = [
    ...(code ? [{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", errorCode: code }] : []),
    ...(code === "QUOTA_EXCEEDED"
      ? [
          {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            violations: [{ subject: "device", description: message }],
          },
        ]
      : []),
    ...(field !== undefined
      ? [
          {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            fieldViolations: [{ field, description: message }],
          },
        ]
      : []),
  ];
  const error = { code: http, message, status, ...(details.length > 0 && { details }) };
  return {
    status: http,
    headers: {
      "content-type": "application/json; charset=UTF-8",
      ...(retryAfter && { "retry-after": String(retryAfter) }),
    },
    body: JSON.stringify({ error }),
  };
}
