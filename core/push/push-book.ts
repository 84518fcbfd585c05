/**
 * The pushes of one user that are under way: what a hub has handed to the sender and not heard of
 * yet, so that none is lost when either of them dies. Logic over stored values.
 *
 * A call has one job from its first push until its end: it tells which devices are to hear that it
 * is over, and then becomes the job of telling them. All messages together have one.
 */
import { serverLimits } from "../../protocol";
import type { KeyValue } from "../key-value";
import type { CallPush, CancelPush, MessagePush, PushContent } from "./content";

/** A push that is to be sent now. */
export interface DuePush {
  /** Names it in reports. */
  push: string;
  /** Whose credentials it goes with. */
  application: string;
  content: PushContent;
  instances: string[];
}

/** What became of a push at one device. */
export interface PushOfDevice {
  instanceId: string;
  result: "sent" | "later" | "dead" | "failed";
}

interface Job {
  application: string;
  content: PushContent;
  /** The devices that nobody has reported on. */
  open: string[];
  /** Of a call: all that were pushed. */
  all?: string[];
  /** Of a call: no device is connected, and the push has not reached one yet. */
  unreached?: true;
  /** When it is looked at; missing: everything has been reported. */
  due?: number;
  tries: number;
  /** Of messages: a newer one, which waits for its turn. */
  waiting?: MessagePush;
}

/** A report that is not there after so long does not come: milliseconds, longer than an attempt takes. */
const reportMs = { call: 8_000, cancel: 8_000, message: 40_000 };
const triesMax = 5;
const mail = "mail";

/** Storage keys: `push:{callId}` and `push:mail`. */
export class PushBook {
  /** Milliseconds since 1970: no message is pushed before. */
  #mailFrom = 0;
  /** Of the messages that wait. */
  #newest: MessagePush | null = null;

  constructor(private readonly kv: KeyValue) {}

  /** A call is pushed to these devices. `alone`: no device is connected. Null when that was done before. */
  call(
    content: CallPush,
    application: string,
    instances: string[],
    alone: boolean,
    now: number,
  ): DuePush | null {
    this.#sweep(now);
    if (this.#job(content.callId)) return null;
    const job: Job = { application, content, open: instances, all: instances, tries: 1 };
    if (alone) job.unreached = true;
    return this.#send(content.callId, job, now);
  }

  /** A call is over, or another device has it: the pushed devices that do not know are told. */
  over(
    callId: string,
    cause: CancelPush["cause"],
    knows: (instanceId: string) => boolean,
    now: number,
  ): DuePush | null {
    const job = this.#job(callId);
    if (job?.content.type !== "call") return null;
    const { headers: _, ...about } = job.content;
    const open = (job.all ?? []).filter((instanceId) => !knows(instanceId));
    if (open.length === 0) {
      this.kv.delete(keyOf(callId));
      return null;
    }
    const { application } = job;
    return this.#send(
      callId,
      { application, content: { ...about, type: "cancel", cause }, open, tries: 1 },
      now,
    );
  }

  /** A message came while the user sleeps. Null when it waits for its turn: what comes soon after a push is one push. */
  message(content: MessagePush, application: string, instances: string[], now: number): DuePush | null {
    if (now >= this.#mailFrom)
      return this.#send(mail, { application, content, open: instances, tries: 1 }, now);
    // What it says may be lost with this memory; that there is something to say may not.
    this.#newest = content;
    const job = this.#job(mail) ?? { application, content, open: [], tries: 1 };
    const due = Math.min(job.due ?? this.#mailFrom, this.#mailFrom);
    if (!job.waiting) this.#put(mail, { ...job, waiting: content, due });
    return null;
  }

  /** Devices were reported on. `unreachable`: a call that has reached nobody, and nobody is left to try. */
  report(push: string, results: readonly PushOfDevice[]): { unreachable?: CallPush } {
    const name = nameOf(push);
    const job = this.#job(name);
    if (!job || pushOf(job.content) !== push) return {};
    const reported = new Set(results.map(({ instanceId }) => instanceId));
    const open = job.open.filter((instanceId) => !reported.has(instanceId));
    const reached = results.some(({ result }) => result === "sent" || result === "later");
    if (open.length === job.open.length && !(reached && job.unreached)) return {};
    const { unreached, due, ...rest } = job;
    const next: Job = { ...rest, open };
    if (unreached && !reached) next.unreached = true;
    if (due !== undefined && (open.length > 0 || job.waiting)) next.due = due;
    if (open.length === 0 && job.content.type === "cancel") this.kv.delete(keyOf(name));
    else this.#put(name, next);
    const { content } = job;
    return open.length === 0 && next.unreached && content.type === "call" ? { unreachable: content } : {};
  }

  /** Whether a push is still the one that its devices should get. */
  isWanted(push: string, now: number): boolean {
    const content = this.#job(nameOf(push))?.content;
    return content !== undefined && pushOf(content) === push && content.until + graceMs(content, 0) > now;
  }

  /** What is to be sent (again) now. `sleepers`: the devices that messages are pushed to. */
  due(now: number, sleepers: () => string[]): DuePush[] {
    return this.#jobs().flatMap(([name, job]) => {
      const { due, waiting, ...rest } = job;
      if (due === undefined || due > now) return [];
      if (job.content.type === "message") {
        const asleep = new Set(sleepers());
        rest.open = waiting ? [...asleep] : rest.open.filter((instanceId) => asleep.has(instanceId));
        if (waiting) Object.assign(rest, { content: this.#newest ?? waiting, tries: 0 });
      }
      if (
        rest.open.length > 0 &&
        rest.tries < triesMax &&
        rest.content.until + graceMs(rest.content, 0) > now
      )
        return [this.#send(name, { ...rest, tries: rest.tries + 1 }, now)];
      // A call's devices have to hear that it is over.
      if (job.content.type === "call") this.#put(name, rest);
      else this.kv.delete(keyOf(name));
      return [];
    });
  }

  /** When {@link due} has something to do, milliseconds since 1970. */
  get next(): number | null {
    const times = this.#jobs().flatMap(([, { due }]) => (due === undefined ? [] : [due]));
    return times.length > 0 ? Math.min(...times) : null;
  }

  #send(name: string, job: Job, now: number): DuePush {
    const { content, application, open } = job;
    this.#put(name, { ...job, due: now + reportMs[content.type] * 2 ** (job.tries - 1) });
    if (content.type === "message") {
      this.#mailFrom = now + serverLimits.messagePushSeconds * 1_000;
      this.#newest = null;
    }
    return { push: pushOf(content), application, content, instances: open };
  }

  /** Of some calls nobody ever says that they are over. */
  #sweep(now: number): void {
    for (const [name, { content }] of this.#jobs())
      if (content.until + graceMs(content, 60_000) <= now) this.kv.delete(keyOf(name));
  }

  #job(name: string): Job | undefined {
    return this.kv.get<Job>(keyOf(name));
  }

  #jobs(): [string, Job][] {
    return [...this.kv.list<Job>({ prefix: "push:" })].map(([key, job]) => [key.slice("push:".length), job]);
  }

  #put(name: string, job: Job): void {
    this.kv.put(keyOf(name), job);
  }
}

function keyOf(name: string): string {
  return `push:${name}`;
}

/** A late report on a call's push must not be taken for one on its end. */
function pushOf(content: PushContent): string {
  return `${content.type}:${content.type === "message" ? content.messageId : content.callId}`;
}

function nameOf(push: string): string {
  const [type, id = ""] = push.split(":");
  return type === "message" ? mail : id;
}

/** That a call was missed is worth knowing also after it would have stopped ringing. */
function graceMs({ type }: PushContent, others: number): number {
  return type === "cancel" ? serverLimits.missedCallHours * 3_600_000 : others;
}
