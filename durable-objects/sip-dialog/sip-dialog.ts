import { DurableObject } from "cloudflare:workers";
import type { IncomingResponseMessage } from "sip.js/lib/core/messages/incoming-response-message.js";
import { openSecret } from "../../core/applications/secret-box";
import { log } from "../../core/log";
import { Alarm } from "../../core/scheduler";
import type { CallDialog } from "../../core/telephony/sip/call-dialog";
import { causeOf, sipError } from "../../core/telephony/sip/failures";
import { isTooLong } from "../../core/telephony/sip/sdp";
import { timerOfAnswer } from "../../core/telephony/sip/session-timer";
import type { UserAgent } from "../../core/telephony/sip/user-agent";
import { callHeadersOf } from "../../core/telephony/sip/words";
import type { Trunk } from "../../core/telephony/trunk";
import { type CallEvent, type CallOperation, errorBody, serverLimits } from "../../protocol";
import type { Env } from "../env";
import { callSession } from "../names";
import type { Delivery, DeliveryResult } from "../user-hub/rpc";
import { Dialling } from "./dialling";
import { Leftovers } from "./leftovers";
import {
  deadlinesOf,
  dueEnding,
  type Ending,
  isFarewellLate,
  keyOf,
  type LegData,
  newLeg,
  newTalk,
  tellMs,
} from "./leg-data";
import { type Line, type Phase, randomToken } from "./line";
import { Link } from "./link";
import { inTime, Reporter } from "./reporter";
import type { Dial, TrunkCheck } from "./rpc";
import { Talking } from "./talking";
import { checkTrunk } from "./trunk-check";
import { Waker } from "./waker";

const probeMs = serverLimits.sipProbeSeconds * 1_000;

/**
 * One SIP leg: a party of its call as a device is, with a gateway instead of a person behind it.
 *
 * Storage: the key `leg` holds all of it. It is written before anything leaves that depends on it, so
 * that after an eviction, a crash or a deploy the leg connects again and goes on where it was.
 */
export class SipDialog extends DurableObject<Env> {
  /** A test may set the time. */
  clock = (): number => Date.now();

  readonly #waker = new Waker(new Alarm(this.ctx.storage), {
    clock: () => this.clock(),
    due: () => this.#due(),
    waitUntil: (work) => this.ctx.waitUntil(work),
    log: this.#log.bind(this),
  });
  #leg: LegData | undefined = this.ctx.storage.kv.get<LegData>("leg");
  #stored: string | undefined = JSON.stringify(this.#leg);
  #phase: Phase | null = null;
  #probeAt: number | null = null;

  readonly #reporter = new Reporter({
    leg: () => this.#leg,
    session: () => callSession(this.env, this.#required().dial.applicationKey, this.#required().dial.callId),
    clock: () => this.clock(),
    wake: () => this.#waker.wake(),
    gone: (ending) => this.#end(ending),
    told: () => this.#finish(),
    log: (level, event, fields) => this.#log(level, event, fields),
  });

  readonly #linkMeans = {
    masterKey: this.env.MASTER_KEY,
    leg: () => this.#leg,
    clock: () => this.clock(),
    log: this.#log.bind(this),
  };
  #link = this.#newLink();

  readonly #leftovers = new Leftovers({
    ...this.#linkMeans,
    store: () => this.#store(),
    wake: () => this.#waker.wake(),
    done: () => this.#finish(),
  });

  /** Calls. It is stored when this resolves, and goes on by itself. */
  async dial(dial: Dial): Promise<void> {
    if (!this.#leg) {
      this.#leg = newLeg(dial, randomToken());
      this.#store();
      this.#log("info", "sip.dial", { trunks: dial.trunks.length, line: dial.callee.line });
    }
    this.#go();
  }

  /** Events of the call for this leg. */
  async deliver({ frames }: Delivery): Promise<DeliveryResult> {
    const leg = this.#leg;
    if (!leg) return { available: [], connected: [] };
    this.#go();
    for (const { frame } of frames) {
      if (frame.seq <= leg.heard) continue;
      leg.heard = frame.seq;
      this.#hear(frame.event);
    }
    this.#store();
    const connected = leg.over ? [] : [keyOf(leg.dial)];
    return { available: [], connected };
  }

  /** Asks a trunk for its OPTIONS. */
  async check(applicationKey: string, trunk: Trunk): Promise<TrunkCheck> {
    const password = () => openSecret(this.env.MASTER_KEY, applicationKey, trunk.password);
    return checkTrunk(trunk, password, () => this.clock());
  }

  override async alarm(): Promise<void> {
    this.#waker.rang(() => this.#leg && this.#tick());
  }

  // ---- what the session says --------------------------------------------------------------------

  #hear(event: CallEvent): void {
    const leg = this.#required();
    if (event.event === "ended") {
      // It knows.
      if (leg.over) {
        delete leg.over.news;
        this.#finish();
      } else this.#end({ farewell: true });
      return;
    }
    if (leg.over || !leg.talk) return;
    const { talk } = leg;
    const talking = this.#phase instanceof Talking ? this.#phase : null;
    if (event.event === "description") {
      if (talking) talking.negotiation.describe(event.description);
      else if (event.description.type === "offer") talk.offer = event.description.sdp;
    } else if (event.event === "media") {
      talk.held = event.media.held;
      talking?.negotiation.next();
    } else if (event.event === "dtmf") {
      talk.tones += event.keys;
      talking?.sound();
    }
  }

  // ---- the connection ---------------------------------------------------------------------------

  /** Does what is to be done: called whenever the object may have just woken up. */
  #go(): void {
    this.#reporter.tell();
    if (this.#leg && !this.#leg.over && !this.#leg.dial.trunks[this.#leg.trunk]) this.#noTrunk();
    this.ctx.waitUntil(this.#link.open());
    this.#leftovers.open();
    this.#waker.wake();
  }

  /** As long as there is a call, or the other end has still to be told that there is none. */
  #wantedTrunk(): Trunk | undefined {
    const leg = this.#leg;
    return leg && (!leg.over || leg.over.farewell) ? leg.dial.trunks[leg.trunk] : undefined;
  }

  #newLink(): Link {
    return new Link({
      ...this.#linkMeans,
      wanted: () => this.#wantedTrunk(),
      opened: (agent) => this.#opened(agent),
      lost: () => this.#lost(),
      beforeSend: () => {
        this.#phase?.snapshot();
        this.#store();
      },
    });
  }

  #opened(agent: UserAgent): void {
    const leg = this.#required();
    this.#probeAt = this.clock() + probeMs;
    this.#phase = leg.talk ? new Talking(this.#line(), leg.talk) : this.#newDialling();
    this.#phase.begin(agent);
    this.#store();
    this.#waker.wake();
  }

  #newDialling(): Dialling {
    return new Dialling(this.#line(), {
      next: () => this.#nextTrunk(this.#phase),
      answered: (dialog, response) => this.#answered(dialog, response),
    });
  }

  /** The connection is gone, or none came about. */
  #lost(): void {
    const phase = this.#phase;
    this.#phase = null;
    const leg = this.#required();
    const now = this.clock();
    const taken = phase instanceof Dialling ? phase.taken : leg.invite !== undefined;
    if (!leg.over && !leg.talk && !taken) {
      this.#nextTrunk(null);
      return;
    }
    if (!leg.over) leg.lost ??= now;
    else if (leg.over.farewell && isFarewellLate(leg, now)) {
      this.#log("warn", "sip.farewell.failed");
      this.#parted();
    }
    this.#store();
    this.#go();
  }

  /** `phase`: of the trunk whose connection is still there. */
  #nextTrunk(phase: Phase | null): void {
    const leg = this.#required();
    if (leg.invite) this.#leftovers.add(this.#link, phase instanceof Dialling ? phase.invite : null);
    else this.#link.close();
    this.#link = this.#newLink();
    this.#phase = null;
    leg.trunk += 1;
    this.#store();
    this.#go();
  }

  #noTrunk(): void {
    const { refusal } = this.#required();
    const error = refusal ? sipError(refusal) : errorBody("trunkUnreachable");
    const cause = refusal ? causeOf(refusal.status) : "failure";
    this.#end({ news: { news: "ended", cause, error } });
  }

  // ---- the call -----------------------------------------------------------------------------------

  #answered(dialog: CallDialog, response: IncomingResponseMessage): void {
    const leg = this.#required();
    const { agent } = this.#link;
    if (!agent) return;
    const sdp = isTooLong(response.body) ? "" : response.body;
    const headers = callHeadersOf(response);
    const talk = newTalk(dialog.stored(), leg.dial.offer, sdp, timerOfAnswer(response), this.clock());
    if (sdp && !leg.over) {
      const description = { type: "answer", sdp } as const;
      talk.news = { news: "answered", description, ...(headers && { headers }) };
    }
    delete leg.invite;
    delete leg.lost;
    leg.talk = talk;
    const talking = new Talking(this.#line(), talk);
    this.#phase = talking;
    talking.answered(agent, dialog);
    this.#log("info", "sip.answered");
    if (leg.over) {
      // The CANCEL came too late.
      leg.over.farewell = true;
      talking.part();
    } else if (!sdp) {
      const error = sipError({ status: 200, reason: "OK" }, "the answer has no description, or a huge one");
      this.#end({ news: { news: "ended", cause: "failure", error }, farewell: true });
    } else this.#reporter.tell();
    this.#waker.wake();
  }

  #end(ending: Ending): void {
    const leg = this.#required();
    if (leg.over) return;
    leg.over = { ...ending, since: this.clock() };
    this.#store();
    this.#log("info", "sip.ended", { cause: ending.news?.cause, status: ending.news?.error?.sip?.status });
    if (ending.farewell) {
      if (this.#phase) this.#phase.part();
      // Nothing has left yet that somebody would wait for.
      else if (!leg.talk && !leg.invite) this.#parted();
    }
    this.#finish();
    this.#go();
  }

  #parted(): void {
    const over = this.#leg?.over;
    if (!over) return;
    delete over.farewell;
    this.#finish();
  }

  /** Forgets the call when everybody knows that it is over. */
  #finish(): void {
    const over = this.#leg?.over;
    if (!over || over.news || over.farewell || this.#leg?.leftovers?.length) return;
    this.#log("info", "sip.done");
    this.#leg = undefined;
    this.#stored = undefined;
    this.#phase = null;
    // What has just been sent leaves before the socket closes.
    this.#link.close();
    this.ctx.waitUntil(this.ctx.storage.deleteAll());
  }

  #line(): Line {
    const self = this;
    return {
      get leg() {
        return self.#required();
      },
      clock: () => this.clock(),
      store: () => this.#store(),
      wake: () => this.#waker.wake(),
      say: (news) => this.#reporter.say(news),
      operate: (op) => this.#operate(op),
      end: (ending) => this.#end(ending),
      parted: () => this.#parted(),
      drop: (why) => this.#link.drop(why),
      log: (level, event, fields) => this.#log(level, event, fields),
    };
  }

  #operate(op: CallOperation): void {
    const leg = this.#required();
    leg.n += 1;
    leg.outbox.push({ n: leg.n, op });
    this.#store();
    this.#reporter.tell();
  }

  // ---- time ---------------------------------------------------------------------------------------

  #tick(): void {
    const now = this.clock();
    const leg = this.#required();
    const ending = dueEnding(leg, now);
    if (ending) this.#end(ending);
    if (leg.over?.news && now >= leg.over.since + tellMs) {
      this.#log("warn", "sip.tell.given-up");
      delete leg.over.news;
      this.#finish();
    }
    if (!this.#leg) return;
    this.#link.tick();
    this.#phase?.tick();
    this.#leftovers.tick();
    this.#probe(now);
    this.#go();
  }

  /** Sees whether the gateway and the call are there. */
  #probe(now: number): void {
    const leg = this.#leg;
    if (!leg || this.#probeAt === null || now < this.#probeAt) return;
    this.#probeAt = now + probeMs;
    if (leg.over) return;
    if (leg.talk) this.#link.ask();
    const { applicationKey, callId } = leg.dial;
    const asked = inTime(async () => callSession(this.env, applicationKey, callId).isOn());
    const looked = asked
      .catch(() => true)
      .then((isOn) => {
        if (!isOn && !leg.over) this.#end({ farewell: true });
      });
    this.ctx.waitUntil(looked);
  }

  #due(): number[] {
    const leg = this.#leg;
    if (!leg) return [];
    return [
      this.#reporter.retryAt,
      this.#probeAt,
      ...this.#link.due(),
      ...this.#leftovers.due(),
      ...deadlinesOf(leg),
      // After a crash nobody else wakes it.
      this.clock() + probeMs,
      ...(this.#phase?.due() ?? []),
    ].filter((time) => typeof time === "number");
  }

  // ---- small things -------------------------------------------------------------------------------

  #store(): void {
    if (!this.#leg) return;
    const text = JSON.stringify(this.#leg);
    if (text === this.#stored) return;
    this.#stored = text;
    this.ctx.storage.kv.put("leg", this.#leg);
  }

  #required(): LegData {
    if (!this.#leg) throw new Error("no leg");
    return this.#leg;
  }

  #log(
    level: "info" | "warn",
    event: string,
    fields: Record<string, string | number | undefined> = {},
  ): void {
    const { reference, callId, applicationKey } = this.#leg?.dial ?? {};
    log(level, event, { reference, callId, application: applicationKey, ...fields });
  }
}
