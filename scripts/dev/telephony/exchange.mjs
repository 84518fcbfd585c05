// @ts-check
/** One request on its way through the proxy, to one socket or to many, and its answers on their way back. */
import { companionOf, responseTo, write } from "./messages.mjs";

/**
 * @typedef {import("./messages.mjs").Request} Request
 * @typedef {import("./messages.mjs").Response} Response
 * @typedef {{ send: (text: string) => void, close: () => void, page: boolean }} Peer a socket
 * @typedef {{ to: Peer, request: Request, heard: boolean, canceled: boolean, final?: Response }} Branch
 */

export class Exchange {
  /** Where it went, by the branch that the proxy put into Via. @type {Map<string, Branch>} */
  #branches = new Map();
  /** @type {string | undefined} */
  #last;
  /** Nobody wants it any more. */
  #canceled = false;
  /** What somebody has said for all of them. @type {Response | undefined} */
  #decided;
  /** The status of what was answered in the end. @type {number | undefined} */
  final;

  /**
   * @param {Request} request @param {Peer} from
   * @param {{ toTag: string, ended: () => void }} means `ended`: it has its final answer
   */
  constructor(request, from, { toTag, ended }) {
    this.request = request;
    this.from = from;
    this.toTag = toTag;
    this.ended = ended;
  }

  /** It comes again, maybe over another socket. @param {Peer} from */
  repeat(from) {
    this.from = from;
    if (this.#last !== undefined) from.send(this.#last);
  }

  /** The proxy's own answer. @param {number} status @param {{ reason?: string, headers?: import("./messages.mjs").Headers }} [more] */
  answer(status, more = {}) {
    this.#send(responseTo(this.request, status, { ...more, toTag: this.toTag }));
  }

  /** @param {string} branch @param {Peer} to @param {Request} request as it is to arrive there */
  forward(branch, to, request) {
    this.#branches.set(branch, { to, request, heard: false, canceled: false });
    to.send(write(request));
  }

  /** @param {string} id @param {Response} response */
  take(id, response) {
    const branch = this.#branches.get(id);
    // The answer to a CANCEL says nothing.
    if (!branch || response.method !== this.request.method) return;
    branch.heard = true;
    if (response.status < 200) {
      if (this.#canceled || this.final !== undefined) this.#cancel(branch);
      // 100 is from hop to hop.
      if (response.status > 100 && this.final === undefined) this.#relay(response);
      return;
    }
    if (this.request.method === "INVITE" && response.status >= 300) {
      branch.to.send(write(companionOf(branch.request, "ACK", response.headers.To)));
    }
    // A 2xx comes until it is acknowledged, from end to end.
    if (response.status < 300) this.#relay(response);
    if (branch.final) return;
    branch.final = response;
    this.#settle(response);
  }

  /** The one who asked has given up. */
  cancel() {
    if (this.#canceled || this.final !== undefined) return;
    this.#canceled = true;
    if (this.#branches.size === 0) this.answer(487);
    this.#cancelAll();
  }

  /** Nobody has answered for too long. */
  expire() {
    if (this.final !== undefined) return;
    this.answer(408);
    this.#cancelAll();
  }

  /** A socket is gone. @param {Peer} peer */
  lost(peer) {
    for (const branch of this.#branches.values()) {
      if (branch.to !== peer || branch.final) continue;
      const answer = responseTo(branch.request, 480, { toTag: this.toTag });
      branch.final = answer;
      this.#settle(answer);
    }
  }

  /** @param {Response} response the last one of its branch */
  #settle(response) {
    if (response.status < 300 || response.status >= 600) {
      this.#decided ??= response;
      this.#cancelAll();
    }
    if (this.final !== undefined) return;
    const answers = [...this.#branches.values()].map(({ final }) => final);
    const all = answers.flatMap((answer) => (answer ? [answer] : []));
    if (all.length < answers.length && response.status < 600) return;
    this.#relay(all.reduce(better));
  }

  /** Without the proxy's own Via. @param {Response} response */
  #relay(response) {
    this.#send({ ...response, headers: { ...response.headers, Via: response.headers.Via?.slice(1) ?? [] } });
  }

  /** @param {Response} response */
  #send(response) {
    if (response.status >= 200 && this.final === undefined) {
      this.final = response.status;
      this.ended();
    }
    this.#last = write(response);
    this.from.send(this.#last);
  }

  #cancelAll() {
    for (const branch of this.#branches.values()) this.#cancel(branch);
  }

  /** Only what has been heard of can be cancelled (RFC 3261, 9.1). @param {Branch} branch */
  #cancel(branch) {
    if (this.request.method !== "INVITE" || !branch.heard || branch.canceled || branch.final) return;
    branch.canceled = true;
    const cancel = companionOf(branch.request, "CANCEL");
    // RFC 3326: so that the others do not call it missed.
    const { status, reason = "" } = this.#decided ?? {};
    const text = status === 200 ? "Call completed elsewhere" : reason.replaceAll(/["\\]/g, "");
    if (status) cancel.headers.Reason = [`SIP ;cause=${status} ;text="${text}"`];
    branch.to.send(write(cancel));
  }
}

/** Which of two refusals the caller hears of (RFC 3261, 16.7). @param {Response} one @param {Response} other */
function better(one, other) {
  if (one.status >= 600 || other.status >= 600) return one.status >= 600 ? one : other;
  return other.status < one.status ? other : one;
}
