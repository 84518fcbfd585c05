import type { CallData, CallUser, LogEntry, Side } from "../../core/calls/call-data";
import { acknowledge } from "../../core/calls/call-log";
import type { CallInput } from "../../core/calls/inputs";
import type { CallEvent, CallFrame, CallResult } from "../../protocol";
import type { Env } from "../env";
import { conferenceRoom, sipDialog, userHub } from "../names";
import type { DeliveryResult, Ring } from "../user-hub/rpc";

interface Session {
  env: Env;
  call(): CallData;
  /** A delivery has found out something about a connection. */
  found(input: CallInput): Promise<unknown>;
  /** The call's log was shortened. */
  store(): void;
  /** Deliver again after so many milliseconds. */
  again(delay: number): Promise<void>;
  wait(work: Promise<unknown>): void;
  log(event: string, fields: Record<string, string | number>): void;
}

/** Hands a call's events to the hubs of both sides, each side's in order and none lost. */
export class Deliveries {
  readonly #session: Session;
  /** The last seq handed to each side's hub since this object woke up. */
  #sent: Record<Side, number>;
  readonly #sending: Record<Side, Promise<void> | null> = { caller: null, callee: null };
  /** Deliveries that failed, one after the other. */
  #failures = 0;

  /**
   * After a crash nobody knows what was delivered, so a party gets again what it has not
   * acknowledged. Devices that only ring are offered the call by their hub when they connect.
   */
  constructor(call: CallData | undefined, session: Session) {
    this.#session = session;
    const offered = call && !call.callee.connection && !call.callee.line;
    const last = offered ? call.logs.callee.last : 0;
    // Devices that were pushed hear of the end, the last event, from nobody else.
    this.#sent = { caller: 0, callee: call?.pushed && call.state === "ended" ? last - 1 : last };
  }

  /** A call starts: nothing of it has been told. */
  begin(): void {
    this.#sent = { caller: 0, callee: 0 };
  }

  /**
   * What is new for nobody but the asker travels in its result, which saves a request to its hub.
   * Only what a later event may overtake without harm: that it is progressing, and that it is over.
   */
  tellInResult(asker: string): Omit<CallResult, "time"> {
    const call = this.#session.call();
    const side = call.caller.connection === asker ? "caller" : "callee";
    // A conference hears of its callouts in one way.
    if (call[side].line === "conference") return {};
    const news = call.logs[side].entries.filter((entry) => entry.seq > this.#sent[side]);
    const [entry] = news;
    const forAsker = call[side].connection === asker && entry?.except === undefined;
    if (!entry || news.length > 1 || !forAsker || this.#sending[side]) return {};
    const { event } = entry;
    if (event.event !== "progressing" && event.event !== "ended") return {};
    this.#sent[side] = call.logs[side].last;
    if (event.event === "progressing") {
      const { event: _, time: __, ...progress } = event;
      return progress;
    }
    const { event: _, ...ended } = event;
    return { ended };
  }

  /** Offers the call to the callee's devices. */
  async ring(): Promise<Extract<CallInput, { type: "rung" }>> {
    const call = this.#session.call();
    const { entries, last } = call.logs.callee;
    this.#sent.callee = last;
    const ring: Ring = {
      user: call.callee,
      callId: call.callId,
      origin: originFor(call),
      until: call.times.started + call.ringFor,
      frames: entries.map((entry) => ({ frame: frameOf(call, entry, "callee") })),
      reference: call.reference,
    };
    const { available, connected: _, ...rest } = await userHub(this.#session.env, call.callee).ring(ring);
    return {
      type: "rung",
      devices: available.length,
      ...rest,
    };
  }

  /** Hands both hubs what is new for them; resolves when they have it, or when it is left to the alarm. */
  tell(): Promise<unknown> {
    return Promise.all([this.#tell("caller"), this.#tell("callee")]);
  }

  /** Whoever takes a side's events has all of them. */
  isTold(side: Side): boolean {
    return this.#session.call().logs[side].last <= this.#sent[side];
  }

  /** Hands a side's hub what is new for it, one delivery at a time, so that order is kept. */
  #tell(side: Side): Promise<void> | null {
    if (this.#sending[side] || this.#session.call().logs[side].last <= this.#sent[side])
      return this.#sending[side];
    const sending = this.#send(side).finally(() => {
      this.#sending[side] = null;
    });
    this.#sending[side] = sending;
    this.#session.wait(sending);
    return sending;
  }

  async #send(side: Side): Promise<void> {
    for (let attempt = 1; attempt <= 3; ) {
      const { entries, last } = this.#session.call().logs[side];
      const news = entries.filter((entry) => entry.seq > this.#sent[side]);
      if (last <= this.#sent[side]) return;
      try {
        await this.#deliver(side, news, "away");
        this.#sent[side] = last;
        this.#failures = 0;
        this.#forgetTold(side, last);
        // A leg to a phone has stored them: it says nothing of its own accord.
        if (this.#session.call()[side].line) acknowledge(this.#session.call().logs[side], "", last);
      } catch (error) {
        // The hub was restarted. What it did not take, it gets again; a client knows repetitions by their seq.
        this.#session.log("call.deliver.failed", { side, attempt, error: String(error) });
        attempt += 1;
      }
    }
    this.#failures += 1;
    await this.#session.again(Math.min(30_000, 500 * 2 ** this.#failures));
  }

  /** What the devices that did not get the call had to hear is said; should one come back, it is told anew. */
  #forgetTold(side: Side, last: number): void {
    const log = this.#session.call().logs[side];
    const rest = log.entries.filter((entry) => entry.except === undefined || entry.seq > last);
    if (rest.length === log.entries.length) return;
    log.entries = rest;
    this.#session.store();
  }

  async #deliver(side: Side, entries: LogEntry[], missing: "away" | "absent"): Promise<void> {
    const call = this.#session.call();
    const user = call[side];
    const { connected } = await this.#hand(user, entries, side);
    const {
      state,
      [side]: { connection },
    } = this.#session.call();
    if (!connection || state === "ended") return;
    if (!connected.includes(connection)) {
      await this.#session.found(
        missing === "away" ? { type: "away", from: user, connection } : { type: "absent", side },
      );
    } else if (missing === "absent") {
      await this.#session.found({ type: "present", from: user, connection, ack: 0 });
    }
  }

  /** To who takes events to a side. */
  #hand(user: CallUser, entries: LogEntry[], side: Side): Promise<DeliveryResult> {
    const { env } = this.#session;
    const call = this.#session.call();
    const { applicationKey, callId } = call;
    if (user.line === "test") return recording(call.callee);
    if (user.line === "conference") {
      const room = { applicationKey, conferenceId: user.userId };
      const news = entries.map(({ seq, event }) => ({ seq, event }));
      return conferenceRoom(env, room).deliver({ ...room, callId, entries: news });
    }
    const carrier = user.line ? sipDialog(env, applicationKey, callId) : userHub(env, user);
    return carrier.deliver({
      user,
      frames: entries.map((entry) => ({
        frame: frameOf(call, entry, side),
        to: side === "caller" ? call.caller.connection : entry.to,
        except: entry.except,
      })),
      reference: call.reference,
    });
  }

  /** Sees whether a side's connection is there; `missing`: what it means for the call if it is not. */
  probe(side: Side, missing: "away" | "absent"): void {
    if (this.#session.call().state === "ended") return;
    // Should it fail, the deadline asks again.
    this.#session.wait(this.#deliver(side, [], missing).catch(() => {}));
  }
}

/** Nobody is there: what plays is the caller's own doing. */
async function recording({ connection }: CallData["callee"]): Promise<DeliveryResult> {
  return { available: [], connected: connection === undefined ? [] : [connection] };
}

/** An event as a side's connections get it. */
export function frameOf(call: CallData, entry: Pick<LogEntry, "seq" | "event">, side: Side): CallFrame {
  const origin = side === "callee" ? originFor(call) : undefined;
  const { seq, event } = entry;
  // Notices are told to conferences alone.
  return { type: "call", callId: call.callId, ...(origin && { origin }), seq, event: event as CallEvent };
}

/** For a device that was away when another one answered. */
export function takenElsewhere(call: CallData): CallFrame {
  const times = { ...call.times, ended: call.times.answered };
  const event = { event: "ended", cause: "otherDeviceAnswered", times } as const;
  return frameOf(call, { seq: call.logs.callee.last, event }, "callee");
}

/** The application that the callee has to name, if the call is another one's. */
function originFor({ applicationKey, callee }: CallData): string | undefined {
  return applicationKey === callee.applicationKey ? undefined : applicationKey;
}
