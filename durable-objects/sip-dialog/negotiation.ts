import type { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import type { IncomingInviteRequest } from "sip.js/lib/core/messages/methods/invite.js";
import type { CallDialog } from "../../core/telephony/sip/call-dialog";
import type { SipStatus } from "../../core/telephony/sip/failures";
import { held, isHeld, isRefresh, isTooLong, versionOf, withVersion } from "../../core/telephony/sip/sdp";
import { keptTimer, timerDelay, timerOfAnswer, timerOfRequest } from "../../core/telephony/sip/session-timer";
import { allowed, statusOf, type UserAgent } from "../../core/telephony/sip/user-agent";
import { type SessionDescription, serverLimits } from "../../protocol";
import type { Talk } from "./leg-data";
import type { Line } from "./line";

/** The caller's browser makes its answer in a moment; a tab that is away comes back, or not. */
const answerMs = 10_000;
/** From a provisional answer to a final one: timer C of proxies is longer, a call in trouble cannot wait for it. */
const finalMs = 32_000;
/** After a refresh that was refused, to the next try. */
const againMs = 10_000;

/** So many re-INVITEs one after the other are refused by a far end that is in trouble, before it is left alone. */
const mostRefusals = 4;

type Purpose = "offer" | "own";

/**
 * Offers and answers in a call that runs, one exchange at a time: what the caller wants (a new offer,
 * hold, resume), what the session timer and a new connection want (the same again), and what the far
 * end wants.
 */
export class Negotiation {
  readonly #line: Line;
  readonly #talk: Talk;
  readonly #lost: (status: SipStatus) => void;
  #agent: UserAgent | null = null;
  #dialog: CallDialog | null = null;
  #ours: Purpose | null = null;
  /** An offer of the far end, until the caller has answered. */
  #theirs: { request: IncomingInviteRequest; offer: string; until: number } | null = null;
  #offered = false;
  /** The same is to be said again. */
  #again = false;
  #notBefore = 0;
  /** Until when an answer to ours has to come, and the ACK of our answer to theirs. */
  #answerBy: number | null = null;
  #ackBy: number | null = null;
  /** Refreshes that were refused, one after the other. */
  #refusals = 0;

  constructor(line: Line, talk: Talk, lost: (status: SipStatus) => void) {
    this.#line = line;
    this.#talk = talk;
    this.#lost = lost;
  }

  take(agent: UserAgent, dialog: CallDialog): void {
    this.#agent = agent;
    this.#dialog = dialog;
  }

  close(): void {
    this.#theirs?.request.reject({ statusCode: 487 });
    this.#theirs = null;
    this.#dialog = null;
  }

  due(): number[] {
    if (this.#line.leg.over) return [];
    const { timer, refreshed } = this.#talk;
    const waits: number[] = [];
    if (this.#notBefore > this.#line.clock()) waits.push(this.#notBefore);
    if (this.#theirs) waits.push(this.#theirs.until);
    if (this.#answerBy !== null) waits.push(this.#answerBy);
    else if (timer && !this.#isBlocked) waits.push(Math.max(refreshed + timerDelay(timer), this.#notBefore));
    if (this.#ackBy !== null) waits.push(this.#ackBy);
    if (timer) waits.push(refreshed + timer.interval * 1_000);
    return waits;
  }

  tick(): void {
    const now = this.#line.clock();
    const { timer, refreshed } = this.#talk;
    if (this.#line.leg.over) return;
    if (this.#theirs && now >= this.#theirs.until) this.#refuse(480);
    if (timer && now >= refreshed + (timer.ours ? timer.interval * 1_000 : timerDelay(timer))) {
      this.#lost({ status: 408, reason: "Session Expired" });
    } else if (this.#ackBy !== null && now >= this.#ackBy) {
      // RFC 3261, 13.3.1.4.
      this.#lost({ status: 408, reason: "No ACK" });
    } else if (this.#answerBy !== null && now >= this.#answerBy) {
      this.#answerBy = null;
      this.#line.drop("no answer to a re-INVITE");
    } else {
      if (timer?.ours && now >= refreshed + timerDelay(timer)) this.#again = true;
      this.next();
    }
  }

  /** Says again how it is: a session timer wants that, and a connection whose Contact is new. */
  refresh(): void {
    this.#again = true;
    this.next();
  }

  /** The caller has described itself: an offer of its own, or the answer to the far end's. */
  describe({ type, sdp }: SessionDescription): void {
    if (type === "offer") {
      // It does not give way to the far end's, which it has thrown away.
      this.#refuse(491);
      this.#talk.offer = sdp;
      this.next();
      return;
    }
    const theirs = this.#theirs;
    if (!theirs) return;
    this.#theirs = null;
    this.#talk.local = sdp;
    this.#talk.remote = theirs.offer;
    this.#talk.heldSent = this.#talk.held;
    this.#accept(theirs.request, this.#shape(sdp));
    this.next();
  }

  isSame(sdp: string): boolean {
    return isRefresh(this.#talk.remote, sdp);
  }

  /** A re-INVITE of the far end. While one of ours is under way, sip.js has answered it with 491. */
  hear(request: IncomingInviteRequest): void {
    const offer = request.message.body;
    if (isTooLong(offer)) {
      request.reject({ statusCode: 488 });
      return;
    }
    if (!offer) {
      // It wants an offer, which its ACK will answer.
      this.#offered = true;
      this.#accept(request, this.#talk.sent);
      return;
    }
    if (this.isSame(offer)) {
      this.#talk.remote = offer;
      this.#accept(request, this.#talk.sent);
      return;
    }
    request.trying();
    this.#theirs = { request, offer, until: this.#line.clock() + answerMs };
    this.#line.wake();
    this.#tellHold(isHeld(offer));
    this.#line.operate({ op: "description", description: { type: "offer", sdp: offer }, candidates: [] });
  }

  /** The ACK of our answer; with a description where that was an offer. */
  acknowledged(sdp: string): void {
    this.#ackBy = null;
    if (this.#offered && sdp && !isTooLong(sdp)) {
      this.#talk.remote = sdp;
      this.#tellHold(isHeld(sdp) && !this.#talk.held);
    }
    this.#offered = false;
    this.next();
  }

  /** Starts what is wanted, unless an exchange is under way. */
  next(): void {
    const { offer, held: wanted, heldSent } = this.#talk;
    if (!this.#agent || !this.#dialog || this.#ours || this.#isBlocked || this.#line.leg.over) return;
    if (this.#line.clock() < this.#notBefore) return;
    if (offer === undefined && wanted === heldSent && !this.#again) return;
    this.#invite(this.#agent, this.#dialog, offer === undefined ? "own" : "offer");
  }

  /** An exchange of the far end waits for the caller, or for its ACK. */
  get #isBlocked(): boolean {
    return this.#theirs !== null || this.#dialog?.reinviteUserAgentServer !== undefined;
  }

  #invite(agent: UserAgent, dialog: CallDialog, purpose: Purpose): void {
    const talk = this.#talk;
    this.#ours = purpose;
    this.#again = false;
    const said = talk.offer ?? talk.local;
    const content = this.#shape(said);
    const { held: wanted, timer } = talk;
    this.#answerBy = this.#line.clock() + serverLimits.trunkAnswerSeconds * 1_000;
    const taken = () => {
      this.#answerBy = this.#line.clock() + finalMs;
    };
    const settled = () => {
      this.#ours = null;
      this.#answerBy = null;
    };
    dialog.invite(
      {
        onTrying: taken,
        onProgress: taken,
        onAccept: ({ message, ack }) => {
          settled();
          this.#settle(message, { purpose, said, sent: content, held: wanted });
          ack();
          this.next();
        },
        onRedirect: ({ message }) => {
          settled();
          this.#refused(message, { purpose, said, held: wanted });
        },
        onReject: ({ message }) => {
          settled();
          this.#refused(message, { purpose, said, held: wanted });
        },
      },
      {
        extraHeaders: [agent.contactHeader, `Allow: ${allowed}`, ...keptTimer(timer)],
        body: { contentDisposition: "session", contentType: "application/sdp", content },
      },
    );
    this.#line.wake();
  }

  /** Ours was taken. */
  #settle(
    message: IncomingResponseMessage,
    { purpose, said, sent, held: wanted }: { purpose: Purpose; said: string; sent: string; held: boolean },
  ): void {
    const talk = this.#talk;
    const answer = message.body;
    if (isTooLong(answer)) {
      this.#lost({ status: 488, reason: "Answer Too Long" });
      return;
    }
    this.#refusals = 0;
    Object.assign(talk, { local: said, sent, heldSent: wanted, refreshed: this.#line.clock() });
    talk.timer = timerOfAnswer(message);
    delete this.#line.leg.lost;
    if (answer) talk.remote = answer;
    if (purpose === "offer") {
      if (talk.offer === said) delete talk.offer;
      if (answer) {
        const description = { type: "answer", sdp: answer } as const;
        this.#line.operate({ op: "description", description, candidates: [] });
      }
    }
    this.#line.store();
    this.#line.wake();
  }

  #refused(
    message: IncomingResponseMessage,
    { purpose, said, held: wanted }: { purpose: Purpose; said: string; held: boolean },
  ): void {
    const { status, reason } = statusOf(message);
    this.#line.log("info", "sip.reinvite.refused", { status });
    if (status === 491) {
      // 2.1 to 4 seconds for the one who made the Call-ID (RFC 3261, 14.1).
      this.#notBefore = this.#line.clock() + 2_100 + Math.floor(Math.random() * 190) * 10;
      this.#again = true;
      this.#line.wake();
      return;
    }
    if (status === 481 || status === 408) {
      this.#lost({ status, reason });
      return;
    }
    // The session is as it was (RFC 3261, 14.1), and somebody is there.
    delete this.#line.leg.lost;
    this.#notBefore = this.#line.clock() + againMs;
    if (purpose === "offer" && this.#talk.offer === said) {
      delete this.#talk.offer;
      // Or the caller would wait for an answer for ever, and take no offer of the far end meanwhile.
      const description = { type: "rollback", sdp: "" } as const;
      this.#line.operate({ op: "description", description, candidates: [] });
    }
    this.#refusals += 1;
    // It does not work just now: what is asked of the far end once more is what it does not have to agree to.
    if (status >= 500 && status < 600 && this.#refusals < mostRefusals) this.#again ||= purpose === "own";
    else this.#talk.heldSent = wanted;
    this.#line.store();
    this.#line.wake();
  }

  #accept(request: IncomingInviteRequest, content: string): void {
    const [agent, talk, { message }] = [this.#agent, this.#talk, request];
    if (!agent) return;
    const { timer, headers } = timerOfRequest(message);
    Object.assign(talk, { timer, sent: content, refreshed: this.#line.clock() });
    this.#ackBy = this.#line.clock() + finalMs;
    this.#line.wake();
    request.accept({
      statusCode: 200,
      extraHeaders: [agent.contactHeader, `Allow: ${allowed}`, ...headers],
      body: { contentDisposition: "session", contentType: "application/sdp", content },
    });
  }

  #refuse(statusCode: number): void {
    const theirs = this.#theirs;
    if (!theirs) return;
    this.#theirs = null;
    theirs.request.reject({ statusCode });
    this.#tellHold(isHeld(this.#talk.remote));
  }

  #tellHold(on: boolean): void {
    if (this.#talk.farHeld === on) return;
    this.#talk.farHeld = on;
    this.#line.operate({ op: "media", media: { held: on, muted: false, video: "off" } });
  }

  /** A description as it leaves: on hold or not, and with a version that grows when something has changed. */
  #shape(sdp: string): string {
    const { sent, held: wanted } = this.#talk;
    const version = versionOf(sent) ?? 0;
    const shaped = withVersion(wanted ? held(sdp) : sdp, version, sent);
    return shaped === sent ? sent : withVersion(shaped, version + 1, sent);
  }
}
