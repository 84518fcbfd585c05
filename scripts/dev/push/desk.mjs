// @ts-check
/** What the three stand-ins share: the book of what arrived, and the trouble that a test asks for. */
import { EventEmitter } from "node:events";

/**
 * @typedef {"apns" | "fcm" | "webpush"} Provider
 *
 * @typedef {object} Arrived what a provider was asked to push
 * @property {string} token of the device; on Web Push the endpoint
 * @property {Record<string, string>} headers without what authorizes
 * @property {unknown} body decoded; undefined where it cannot be
 * @property {string} [sin]
 * @property {string} [credential] what it was authorized with
 * @property {number} bytes of the body as it came
 * @property {"1.1" | "2.0"} http
 * @property {string} [problem] what a provider does not see, and a device would trip over
 *
 * @typedef {object} Settled
 * @property {number} number from 1, counted over all providers
 * @property {number} time milliseconds since 1970
 * @property {Provider} provider
 * @property {boolean} delivered the device has it
 * @property {{ status: number, reason?: string } | "never" | "cut"} answer
 *
 * @typedef {Arrived & Settled} Push
 *
 * @typedef {{ kind: "refuse", status: number, reason: string, retryAfter?: number }} Refusal
 *
 * `refuse`: answers so, and delivers nothing. `never`: takes it and never answers. `cut`: delivers it,
 * and the connection breaks in the middle of the answer. `delay`: answers so much later.
 * @typedef {Refusal | { kind: "never" } | { kind: "cut" } | { kind: "delay", ms: number }} Trouble
 *
 * @typedef {import("./listen.mjs").Answer} Answer
 * @typedef {import("./listen.mjs").Reply} Reply
 * @typedef {{ answer: Answer, reason?: string }} Verdict
 * @typedef {{ now(): number }} Clock milliseconds since 1970
 */

/** The clock of this machine, which a test can put forward. */
export class TestClock {
  #ahead = 0;

  now() {
    return Date.now() + this.#ahead;
  }

  /** @param {number} ms */
  advance(ms) {
    this.#ahead += ms;
  }
}

/** So many pushes are remembered. */
const most = 20_000;

/**
 * All that arrived, in order. Tells `push` when it has one, before its answer leaves, and `answered`
 * when the answer has been handed to the system.
 *
 * @extends {EventEmitter<{ push: [Push], answered: [Push] }>}
 */
export class Book extends EventEmitter {
  /** @type {Push[]} */
  pushes = [];
  #count = 0;

  /** @param {Omit<Push, "number">} push @returns {Push} */
  add(push) {
    const numbered = { number: ++this.#count, ...push };
    this.pushes.push(numbered);
    if (this.pushes.length > most) this.pushes.shift();
    this.emit("push", numbered);
    return numbered;
  }

  /** Forgets what arrived; the count goes on. */
  clear() {
    this.pushes = [];
  }
}

export class Desk {
  /** @type {{ trouble: Trouble, token: string | undefined, times: number }[]} */
  #troubles = [];

  /**
   * @param {Provider} provider
   * @param {{ book: Book, clock: Clock }} shared
   * @param {(refusal: Omit<Refusal, "kind">) => Answer} refused a refusal in the provider's words
   */
  constructor(provider, { book, clock }, refused) {
    this.provider = provider;
    this.book = book;
    this.clock = clock;
    this.refused = refused;
  }

  /**
   * Trouble for the pushes to come that are in order otherwise.
   *
   * @param {Trouble} trouble @param {{ token?: string, times?: number }} [of] one device, and so often; all, and until {@link calm}
   */
  trouble(trouble, { token, times = Number.POSITIVE_INFINITY } = {}) {
    this.#troubles.push({ trouble, token, times });
  }

  calm() {
    this.#troubles = [];
  }

  /** Writes down what arrived and gives the answer. @param {Arrived} arrived @param {Verdict} verdict @returns {Promise<Reply>} */
  async settle(arrived, verdict) {
    const good = verdict.answer.status < 300;
    const trouble = good ? this.#next(arrived.token) : undefined;
    if (trouble?.kind === "refuse") return this.settle(arrived, this.#refusal(trouble));
    const status = verdict.answer.status;
    const lost = trouble?.kind === "never" || trouble?.kind === "cut" ? trouble.kind : undefined;
    const push = this.book.add({
      ...arrived,
      time: this.clock.now(),
      provider: this.provider,
      delivered: good && lost !== "never",
      answer: lost ?? { status, ...(verdict.reason && { reason: verdict.reason }) },
    });
    if (trouble?.kind === "delay") await new Promise((resolve) => setTimeout(resolve, trouble.ms));
    return { answer: lost ?? verdict.answer, sent: () => this.book.emit("answered", push) };
  }

  /** @param {Refusal} refusal @returns {Verdict} */
  #refusal(refusal) {
    return { answer: this.refused(refusal), reason: refusal.reason };
  }

  /** @param {string} token @returns {Trouble | undefined} */
  #next(token) {
    const found = this.#troubles.find((one) => one.times > 0 && (one.token ?? token) === token);
    if (found) found.times -= 1;
    return found?.trouble;
  }
}
