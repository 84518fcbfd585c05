import type { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import type { CallDialog } from "../../core/telephony/sip/call-dialog";
import { causeOf, isTrunksFault, sipError } from "../../core/telephony/sip/failures";
import { cancelStored, Invite, type StoredInvite } from "../../core/telephony/sip/invite";
import { isTooLong } from "../../core/telephony/sip/sdp";
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

const answerMs = serverLimits.trunkAnswerSeconds * 1_000;
/** A phone that has rung is rung again without what had made it ring before: that is waited for, but not for long. */
const cancelMs = 2_000;
/** How long an INVITE may take until it is heard of, or a cancelled one to its end (RFC 3261, 17.1.1.2 and 9.1). */
const finalMs = 32_000;
/** A gateway that loses its connections while it rings is not asked again and again. */
const mostRedials = 2;

/** The INVITE on one connection to one trunk. */
export class Dialling implements Phase {
  readonly #line: Line;
  readonly #hooks: Hooks;
  #agent: UserAgent | null = null;
  #invite: Invite | null = null;
  /** One that has left on another connection is being cancelled. */
  #canceling = false;
  /** A final answer is on its way. */
  #ending = false;
  #answerBy: number | null = null;
  #rings = false;
  #told = false;
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
    if (leg.invite) this.#cancel(agent, leg.invite);
    else if (leg.over) this.#line.parted();
    else this.#send(randomToken(), randomToken(), 1);
  }

  due(): number[] {
    return this.#answerBy === null ? [] : [this.#answerBy];
  }

  tick(): void {
    if (this.#answerBy === null || this.#line.clock() < this.#answerBy) return;
    this.#answerBy = null;
    const { over } = this.#line.leg;
    if (over && (this.#ending || (this.#invite && !this.#invite.proceeding))) this.#line.parted();
    else if (over) this.#line.drop("no answer to CANCEL");
    else if (this.#canceling) this.#canceled();
    // It had the call before its connection was lost: another one would make the phone ring once more.
    else if (this.#taken) this.#line.drop("no answer to INVITE");
    else this.#hooks.next();
  }

  part(): void {
    const now = this.#line.clock();
    if (this.#canceling) {
      this.#answerBy = now + answerMs;
    } else if (this.#invite) {
      this.#invite.cancel();
      // One that nobody has heard of cannot be cancelled yet.
      this.#answerBy = now + (this.#invite.proceeding ? answerMs : finalMs);
    } else this.#line.parted();
  }

  /** What has left on another connection, where its answer cannot come any more. */
  #cancel(agent: UserAgent, invite: StoredInvite): void {
    const { leg } = this.#line;
    this.#taken = true;
    this.#canceling = true;
    this.#answerBy = this.#line.clock() + (leg.over ? answerMs : cancelMs);
    void cancelStored(agent, invite).then(() => this.#canceled());
    if (leg.over) return;
    leg.redials = (leg.redials ?? 0) + 1;
    if (leg.redials <= mostRedials) return;
    const error = errorBody("trunkUnreachable", { detail: "the gateway loses its connections" });
    this.#line.end({ news: { news: "ended", cause: "failure", error }, farewell: true });
  }

  #canceled(): void {
    if (!this.#canceling) return;
    this.#canceling = false;
    this.#answerBy = null;
    delete this.#line.leg.invite;
    if (this.#line.leg.over) this.#line.parted();
    else this.#send(randomToken(), randomToken(), 1);
  }

  snapshot(): void {
    if (this.#invite) this.#line.leg.invite = this.#invite.stored();
  }

  /** Whether the trunk has the call: no other one may be asked then. */
  get taken(): boolean {
    return this.#taken;
  }

  /** The INVITE that nobody has answered for good. */
  get invite(): Invite | null {
    return this.#invite;
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
    this.#answerBy = this.#line.clock() + answerMs;
    this.#invite = new Invite(
      agent,
      { target, from, callId, fromTag, seq, offer: dial.offer, headers },
      {
        progress: (response) => this.#progress(response),
        answered: (dialog, response) => this.#hooks.answered(dialog, response),
        refused: (response, silent) => this.#refused(response, silent),
        canceled: () => {
          this.#ending = true;
          this.#answerBy = this.#line.clock() + finalMs;
          this.#line.wake();
        },
      },
    );
    this.#invite.send();
    this.#line.log("info", "sip.invite", { trunk: trunk?.name });
    this.#line.wake();
  }

  #progress(response: IncomingResponseMessage): void {
    const { status } = statusOf(response);
    if (this.#line.leg.over) {
      // Now the CANCEL leaves.
      if (!this.#ending) this.#answerBy = Math.min(this.#answerBy ?? Infinity, this.#line.clock() + answerMs);
      this.#line.wake();
      return;
    }
    this.#answerBy = null;
    delete this.#line.leg.lost;
    if (!this.#trying) this.#line.say({ news: "trying" });
    this.#trying = true;
    this.#taken = true;
    if (status !== 180 && status !== 183) return;
    this.#rings = true;
    const sdp = response.body;
    if (isTooLong(sdp)) return;
    if (!sdp) {
      if (!this.#told) this.#line.say({ news: "ringing" });
      this.#told = true;
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
