import type { IncomingRequestMessage } from "sip.js/lib/core/messages/incoming-request-message.js";
import type { IncomingByeRequest } from "sip.js/lib/core/messages/methods/bye.js";
import type { IncomingInfoRequest, OutgoingInfoRequest } from "sip.js/lib/core/messages/methods/info.js";
import { CallDialog } from "../../core/telephony/sip/call-dialog";
import { type SipStatus, sipError } from "../../core/telephony/sip/failures";
import { timerOfRequest } from "../../core/telephony/sip/session-timer";
import { relayBody, relayType, tonesOf } from "../../core/telephony/sip/tones";
import { statusOf, type UserAgent } from "../../core/telephony/sip/user-agent";
import { callHeadersOf } from "../../core/telephony/sip/words";
import { serverLimits } from "../../protocol";
import type { Talk } from "./leg-data";
import type { Line, Phase } from "./line";
import { Negotiation } from "./negotiation";

const answerMs = serverLimits.trunkAnswerSeconds * 1_000;
/** How often BYE is said to a far end that finds it out of order. */
const mostByes = 5;
/** Operations that wait for a session which cannot be reached. */
const mostWaiting = 100;

/** An answered call on one connection. */
export class Talking implements Phase {
  readonly #line: Line;
  readonly #talk: Talk;
  readonly negotiation: Negotiation;
  #agent: UserAgent | null = null;
  #dialog: CallDialog | null = null;
  #sounding: OutgoingInfoRequest | null = null;
  /** How often it was said. */
  #byes = 0;
  #partBy: number | null = null;

  constructor(line: Line, talk: Talk) {
    this.#line = line;
    this.#talk = talk;
    this.negotiation = new Negotiation(line, talk, (status) => this.#lost(status));
  }

  /** On the connection that it was answered on. What is needed to go on is stored by now. */
  answered(agent: UserAgent, dialog: CallDialog): void {
    this.#take(agent, dialog);
    dialog.ack();
  }

  /** On another connection, maybe after a crash. */
  begin(agent: UserAgent): void {
    const stored = this.#talk.dialog;
    const dialog = CallDialog.from(agent.core, stored);
    if (!dialog) {
      this.#line.end({ news: { news: "ended", cause: "failure" } });
      this.#line.parted();
      return;
    }
    this.#take(agent, dialog);
    // Nothing has left since the INVITE, perhaps not even its ACK.
    if (stored.localSeq === stored.inviteSeq) dialog.ack();
    if (this.#line.leg.over) this.part();
    else {
      this.negotiation.refresh();
      this.sound();
    }
  }

  due(): number[] {
    return [...this.negotiation.due(), ...(this.#partBy === null ? [] : [this.#partBy])];
  }

  tick(): void {
    this.negotiation.tick();
    if (this.#partBy === null || this.#line.clock() < this.#partBy) return;
    this.#partBy = null;
    this.#line.drop("no answer to BYE");
  }

  part(): void {
    if (!this.#dialog || this.#byes > 0) return;
    this.negotiation.close();
    this.#partBy = this.#line.clock() + answerMs;
    this.#bye(this.#dialog);
  }

  #bye(dialog: CallDialog): void {
    this.#byes += 1;
    const done = () => this.#line.parted();
    dialog.bye({
      onAccept: done,
      onRedirect: done,
      onReject: ({ message }) => {
        // Out of order: the far end has seen a higher CSeq. Whatever else it says, it has heard it.
        if (message.statusCode === 500 && this.#byes < mostByes) this.#bye(dialog);
        else done();
      },
    });
  }

  snapshot(): void {
    if (!this.#dialog) return;
    // Its CSeq grows when it is challenged, which sip.js does not write down.
    if (this.#sounding) this.#dialog.hasSent(this.#sounding.message.cseq);
    this.#talk.dialog = this.#dialog.stored();
  }

  #take(agent: UserAgent, dialog: CallDialog): void {
    this.#agent = agent;
    this.#dialog = dialog;
    this.negotiation.take(agent, dialog);
    dialog.delegate = {
      onBye: (request) => this.#hungUp(request),
      onInfo: (request) => this.#hearInfo(request),
      onInvite: (request) => this.negotiation.hear(request),
      onAck: ({ message }) => this.negotiation.acknowledged(message.body),
    };
    agent.onUpdate = (request) => this.#update(request);
  }

  #hungUp(request: IncomingByeRequest): void {
    const headers = callHeadersOf(request.message);
    this.#dialog = null;
    this.#line.end({ news: { news: "ended", cause: "hungUp", ...(headers && { headers }) } });
    request.accept();
  }

  /** The far end knows of no call, or does not answer. */
  #lost(status: SipStatus): void {
    const error = sipError(status);
    this.#line.end({ news: { news: "ended", cause: "failure", error }, farewell: true });
  }

  #hearInfo(request: IncomingInfoRequest): void {
    const { message } = request;
    const tones = message.body ? tonesOf(message.getHeader("content-type"), message.body) : "";
    if (tones === undefined) {
      request.reject({ statusCode: 415, extraHeaders: ["Accept: application/dtmf-relay, application/dtmf"] });
      return;
    }
    if (this.#line.leg.outbox.length >= mostWaiting) {
      request.reject({ statusCode: 503 });
      return;
    }
    if (tones) this.#line.operate({ op: "dtmf", keys: tones });
    request.accept();
  }

  /** A session that is refreshed without a description; one with another cannot be answered at once. */
  #update(request: IncomingRequestMessage): void {
    const [agent, dialog] = [this.#agent, this.#dialog];
    if (!agent || !dialog?.takes(request)) return;
    const { timer, headers } = timerOfRequest(request);
    const extraHeaders = [agent.contactHeader, ...headers];
    const same = !request.body || this.negotiation.isSame(request.body);
    if (same) {
      this.#talk.timer = timer;
      this.#talk.refreshed = this.#line.clock();
      this.#line.wake();
    }
    const content = this.#talk.sent;
    const body = { contentDisposition: "session", contentType: "application/sdp", content };
    agent.core.replyStateless(request, {
      statusCode: same ? 200 : 504,
      extraHeaders,
      ...(same && request.body && { body }),
    });
  }

  /** Sends the caller's tones, one after the other, and none twice. */
  sound(): void {
    const dialog = this.#dialog;
    const key = this.#talk.tones[0];
    if (!dialog || this.#sounding || this.#byes > 0 || key === undefined) return;
    this.#talk.tones = this.#talk.tones.slice(1);
    const content = relayBody(key);
    this.#sounding = dialog.info(
      {
        onAccept: () => done(),
        onRedirect: () => done(),
        onReject: ({ message }) => {
          this.#line.log("warn", "sip.info.refused", { status: statusOf(message).status });
          done();
        },
      },
      { body: { contentDisposition: "render", contentType: relayType, content } },
    );
    const done = () => {
      this.snapshot();
      this.#sounding = null;
      this.sound();
    };
  }
}
