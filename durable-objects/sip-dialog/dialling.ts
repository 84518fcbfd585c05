import type { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import type { CallDialog } from "../../core/telephony/sip/call-dialog";
import { causeOf, isTrunksFault, sipError } from "../../core/telephony/sip/failures";
import { cancelStored, Invite } from "../../core/telephony/sip/invite";
import { minimumOf, offeredTimer } from "../../core/telephony/sip/session-timer";
import { statusOf, type UserAgent } from "../../core/telephony/sip/user-agent";
import { callHeadersOf, fromOf, headerLines, targetOf } from "../../core/telephony/sip/words";
import { errorBody, serverLimits } from "../../protocol";
import { type Line, type Phase, randomToken } from "./line";

interface Hooks {
  /** This trunk is of no use: the next one. */
  next(): void;
  /** To be stored, acknowledged and told. */
  answered(dialog: CallDialog, response: IncomingResponseMessage): void;
}

/** The INVITE on one connection to one trunk. */
export class Dialling implements Phase {
  readonly #line: Line;
  readonly #hooks: Hooks;
  #agent: UserAgent | null = null;
  #invite: Invite | null = null;
  #answerBy: number | null = null;
  #rings = false;
  #early = "";
  /** What a 422 has asked for, once. */
  #interval: number | undefined;
  #trying = false;
  #taken = false;

  constructor(line: Line, hooks: Hooks) {
    this.#line = line;
    this.#hooks = hooks;
  }

  begin(agent: UserAgent): void {
    this.#agent = agent;
    const { leg } = this.#line;
    if (leg.invite) {
      // It left on another connection, where its answer cannot come any more.
      const canceled = cancelStored(agent, leg.invite);
      delete leg.invite;
      this.#taken = true;
      if (leg.over) {
        void canceled.then(() => this.#line.parted());
        return;
      }
    } else if (leg.over) {
      this.#line.parted();
      return;
    }
    this.#send(randomToken(), randomToken(), 1);
  }

  due(): number[] {
    return this.#answerBy === null ? [] : [this.#answerBy];
  }

  tick(): void {
    if (this.#answerBy === null || this.#line.clock() < this.#answerBy) return;
    this.#answerBy = null;
    if (this.#line.leg.over) this.#line.parted();
    // It had the call before its connection was lost: another one would make the phone ring once more.
    else if (this.#taken) this.#line.drop("no answer to INVITE");
    else this.#hooks.next();
  }

  part(): void {
    if (this.#invite) this.#invite.cancel();
    else this.#line.parted();
  }

  snapshot(): void {
    if (this.#invite && this.#agent) this.#line.leg.invite = this.#invite.stored();
  }

  /** Whether the trunk has the call: no other one may be asked then. */
  get taken(): boolean {
    return this.#taken;
  }

  #send(callId: string, fromTag: string, seq: number): void {
    const agent = this.#agent;
    const { leg } = this.#line;
    const { dial } = leg;
    const trunk = dial.trunks[leg.trunk];
    const [target, from] = trunk ? [targetOf(dial.callee, trunk), fromOf(trunk)] : [];
    if (!agent || !target || !from) {
      const error = errorBody("invalidValue", { detail: "no SIP address can be made of whom it is for" });
      this.#line.end({ news: { news: "ended", cause: "failure", error } });
      return;
    }
    const headers = [...offeredTimer(this.#interval), ...headerLines(dial.headers)];
    this.#answerBy = this.#line.clock() + serverLimits.trunkAnswerSeconds * 1_000;
    this.#invite = new Invite(
      agent,
      { target, from, callId, fromTag, seq, offer: dial.offer, headers },
      {
        progress: (response) => this.#progress(response),
        answered: (dialog, response) => this.#hooks.answered(dialog, response),
        refused: (response, silent) => this.#refused(response, silent),
      },
    );
    this.#invite.send();
    this.#line.log("info", "sip.invite", { trunk: trunk?.name });
    this.#line.wake();
  }

  #progress(response: IncomingResponseMessage): void {
    this.#answerBy = null;
    delete this.#line.leg.lost;
    const { status } = statusOf(response);
    if (this.#line.leg.over) return;
    if (!this.#trying) this.#line.say({ news: "trying" });
    this.#trying = true;
    this.#taken = true;
    if (status !== 180 && status !== 183) return;
    this.#rings = true;
    const sdp = response.body;
    if (!sdp) {
      this.#line.say({ news: "ringing" });
    } else if (sdp !== this.#early) {
      this.#early = sdp;
      this.#line.say({ news: "early", description: { type: "answer", sdp } });
    }
  }

  #refused(response: IncomingResponseMessage, silent: boolean): void {
    this.#answerBy = null;
    const { leg } = this.#line;
    delete leg.invite;
    const invite = this.#invite;
    this.#invite = null;
    const said = statusOf(response);
    if (leg.over) {
      this.#line.parted();
      return;
    }
    this.#line.log("info", "sip.refused", { status: said.status });
    const least = minimumOf(response.getHeader("min-se"));
    if (said.status === 422 && least && this.#interval === undefined && invite) {
      this.#interval = least;
      this.#send(invite.request.callId, invite.request.fromTag, invite.request.cseq + 1);
    } else if (silent) this.#hooks.next();
    else if (isTrunksFault(said.status) && !this.#rings) {
      leg.refusal = said;
      this.#hooks.next();
    } else {
      const headers = callHeadersOf(response);
      const error = sipError(said);
      this.#line.end({
        news: { news: "ended", cause: causeOf(said.status), error, ...(headers && { headers }) },
      });
    }
  }
}
