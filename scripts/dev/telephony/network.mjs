// @ts-check
/**
 * The telephone network: a registrar and forking proxy for SIP over WebSocket (RFC 3261, RFC 7118).
 * Who calls has to know the password; any number rings on all pages that are registered. Media goes
 * from end to end: the descriptions pass through.
 */
import { behaviourOf } from "./book.mjs";
import { Digest } from "./digest.mjs";
import { Exchange } from "./exchange.mjs";
import { contactKey, parse, problemOf, write } from "./messages.mjs";

/**
 * @typedef {import("./exchange.mjs").Peer} Peer
 * @typedef {import("./messages.mjs").Request} Request
 * @typedef {import("./messages.mjs").Response} Response
 *
 * `place`: host and port, as others reach it. `after`: calls back, once, and keeps nobody waiting.
 * @typedef {{ account: import("./digest.mjs").Account, place: string, randomText: () => string, after: (milliseconds: number, what: () => void) => void, onProblem?: (problem: string) => void }} Means
 */

const allow = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, MESSAGE, REFER, NOTIFY, REGISTER";
const server = "Carillon phones";
/** RFC 3261: 64 times T1; and timer C. */
const [answerMs, ringMs] = [32_000, 180_000];
const [expiresDefault, expiresMax] = [600, 3_600];

export class Network {
  /** By method and the branch that the sender chose. @type {Map<string, Exchange>} */
  #received = new Map();
  /** By the branch that was chosen here. @type {Map<string, Exchange>} */
  #sent = new Map();
  /** The newest socket of a party of a dialog, by Call-ID and tag. @type {Map<string, Peer>} */
  #parties = new Map();
  /** The pages that ring. @type {Map<string, { peer: Peer, uri: string, until: number }>} */
  #registered = new Map();

  /** @param {Means} means */
  constructor(means) {
    this.means = means;
    this.digest = new Digest(means.account, means.randomText);
  }

  /** @param {Peer} peer @param {string} text a message of its socket */
  receive(peer, text) {
    // RFC 5626, 3.5.1.
    if (text === "\r\n\r\n") return peer.send("\r\n");
    if (text.trim() === "") return;
    const message = parse(text);
    if (!message) {
      this.means.onProblem?.("something that is no SIP");
      return peer.close();
    }
    if (message.status === undefined) this.#request(peer, message);
    else this.#response(peer, message);
  }

  /** @param {Peer} peer its socket is gone */
  closed(peer) {
    for (const [key, owner] of this.#parties) if (owner === peer) this.#parties.delete(key);
    for (const [key, one] of this.#registered) if (one.peer === peer) this.#registered.delete(key);
    for (const exchange of new Set(this.#sent.values())) exchange.lost(peer);
  }

  /** @param {Peer} peer @param {Response} response */
  #response(peer, response) {
    this.#locate(peer, response, response.toTag);
    this.#sent.get(response.branch)?.take(response.branch, response);
  }

  /** @param {Peer} peer @param {Request} request */
  #request(peer, request) {
    const { method, branch } = request;
    const key = `${method === "ACK" || method === "CANCEL" ? "INVITE" : method} ${branch}`;
    const known = this.#received.get(key);
    const problem = problemOf(request);
    if (problem) {
      this.means.onProblem?.(`${method}: ${problem}`);
      if (method !== "ACK" && !known) this.#begin(peer, request, key).answer(400, { reason: problem });
      return;
    }
    this.#locate(peer, request, request.fromTag);
    if (method === "ACK") {
      // That of a failure goes no further.
      if (!known) this.#pass(request);
    } else if (method === "CANCEL") this.#cancel(peer, request, known);
    else if (known) known.repeat(peer);
    else this.#serve(peer, request, this.#begin(peer, request, key));
  }

  /** @param {Peer} peer @param {Request} request @param {Exchange | undefined} invite */
  #cancel(peer, request, invite) {
    this.#begin(peer, request, `CANCEL ${request.branch}`).answer(invite ? 200 : 481);
    if (!invite) return;
    invite.from = peer;
    invite.cancel();
  }

  /** @param {Peer} peer @param {Request} request @param {Exchange} exchange */
  #serve(peer, request, exchange) {
    const { method, headers, toTag } = request;
    if (headers["Max-Forwards"]?.[0] === "0") return exchange.answer(483);
    if (method === "REGISTER") return this.#register(peer, request, exchange);
    if (toTag) return this.#forward(request, exchange, this.#partyOf(request));
    const known = this.digest.check(request);
    if (known !== "right") {
      const challenge = this.digest.challenge(known === "stale");
      return exchange.answer(407, { headers: { "Proxy-Authenticate": [challenge] } });
    }
    if (method === "INVITE") return this.#ring(request, exchange);
    if (method === "OPTIONS") return exchange.answer(200, { headers: { Allow: [allow], Server: [server] } });
    return exchange.answer(405, { headers: { Allow: [allow] } });
  }

  /** @param {Request} request @param {Exchange} exchange */
  #ring(request, exchange) {
    exchange.answer(100);
    const behaviour = behaviourOf(/^sips?:([^@;]*)@/.exec(request.uri)?.[1] ?? "");
    if (behaviour) {
      // What opens a dialog says where.
      const headers = { Contact: [`<sip:network@${this.means.place};transport=ws>`] };
      return exchange.answer(behaviour.status, behaviour.status < 200 ? { headers } : {});
    }
    const now = Date.now();
    const pages = [...this.#registered.values()].filter(({ until }) => until > now);
    if (pages.length === 0) return exchange.answer(480, { reason: "Nobody has opened the phones page" });
    this.#forward(request, exchange, pages);
  }

  /** @param {Request} request @param {Exchange} exchange @param {{ peer: Peer, uri: string }[]} targets */
  #forward(request, exchange, targets) {
    if (targets.length === 0) exchange.answer(480);
    for (const { peer, uri } of targets) {
      const branch = `z9hG4bK${this.means.randomText()}`;
      this.#sent.set(branch, exchange);
      exchange.forward(branch, peer, this.#onward(request, uri, branch));
    }
  }

  /** An ACK, which nobody answers. @param {Request} request */
  #pass(request) {
    const [target] = this.#partyOf(request);
    if (target)
      target.peer.send(write(this.#onward(request, target.uri, `z9hG4bK${this.means.randomText()}`)));
  }

  /** As it leaves here (RFC 3261, 16.6). @param {Request} request @param {string} uri @param {string} branch @returns {Request} */
  #onward(request, uri, branch) {
    const { "Proxy-Authorization": _, Route = [], "Record-Route": recorded = [], ...rest } = request.headers;
    const [mine, ...further] = Route;
    const route =
      mine?.includes(`@${this.means.place}`) || mine?.includes(`:${this.means.place}`) ? further : Route;
    const record =
      request.method === "INVITE" ? [`<sip:${this.means.place};transport=ws;lr>`, ...recorded] : recorded;
    const headers = {
      ...rest,
      Via: [`SIP/2.0/WS ${this.means.place};branch=${branch}`, ...(rest.Via ?? [])],
      "Max-Forwards": [String(Number(rest["Max-Forwards"]?.[0]) - 1)],
      ...(route.length > 0 && { Route: route }),
      ...(record.length > 0 && { "Record-Route": record }),
    };
    return { ...request, uri, headers, branch };
  }

  /** The other side of a dialog: where it was heard last, or has registered since. @param {Request} request */
  #partyOf({ uri, callId, toTag }) {
    const peer = this.#parties.get(`${callId} ${toTag}`) ?? this.#registered.get(contactKey(uri) ?? "")?.peer;
    return peer ? [{ peer, uri }] : [];
  }

  /** Where a party is: it may have a new socket. @param {Peer} peer @param {Request | Response} message @param {string} tag */
  #locate(peer, { callId, method }, tag) {
    if (tag && method !== "REGISTER") this.#parties.set(`${callId} ${tag}`, peer);
  }

  /** @param {Peer} peer @param {Request} request @param {Exchange} exchange */
  #register(peer, { headers }, exchange) {
    if (!peer.page) return exchange.answer(403, { reason: "Only The Page Registers" });
    const contacts = headers.Contact ?? [];
    for (const contact of contacts) {
      const [, uri = ""] = /<([^>]+)>/.exec(contact) ?? [];
      const key = contact === "*" ? "" : contactKey(uri);
      const given = /;\s*expires\s*=\s*(\d+)/i.exec(contact)?.[1] ?? headers.Expires?.[0] ?? expiresDefault;
      const seconds = Math.min(Number(given), expiresMax);
      if (contact === "*") {
        for (const [name, one] of this.#registered) if (one.peer === peer) this.#registered.delete(name);
      } else if (!key || !Number.isInteger(seconds)) return exchange.answer(400, { reason: "Bad Contact" });
      else if (seconds === 0) this.#registered.delete(key);
      else this.#registered.set(key, { peer, uri, until: Date.now() + seconds * 1_000 });
    }
    const mine = [...this.#registered.values()].filter((one) => one.peer === peer);
    const left = (/** @type {number} */ until) => Math.round((until - Date.now()) / 1_000);
    exchange.answer(200, {
      headers: { Contact: mine.map(({ uri, until }) => `<${uri}>;expires=${left(until)}`), Server: [server] },
    });
  }

  /** @param {Peer} from @param {Request} request @param {string} key */
  #begin(from, request, key) {
    const forget = () => {
      if (this.#received.get(key) === exchange) this.#received.delete(key);
      for (const [branch, one] of this.#sent) if (one === exchange) this.#sent.delete(branch);
      if (request.method === "BYE") {
        for (const tag of [request.fromTag, request.toTag]) this.#parties.delete(`${request.callId} ${tag}`);
      }
    };
    // It may come again for as long as that.
    const ended = () => this.means.after(answerMs, forget);
    const exchange = new Exchange(request, from, { toTag: this.means.randomText(), ended });
    this.#received.set(key, exchange);
    this.means.after(request.method === "INVITE" ? ringMs : answerMs, () => exchange.expire());
    return exchange;
  }
}
