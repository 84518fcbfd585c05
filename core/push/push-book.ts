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
  /** Not of messages: those for which the queue has a later attempt. */
  queued: string[];
  /** Not of messages: those whose provider has taken it. */
  got: string[];
  /** Of a call: no device is connected, so that it is over when the pushes reach nobody. */
  alone?: true;
  /** When it is looked at; missing: there is nothing to wait for. */
  due?: number;
  tries: number;
  /** Of messages: a newer one, which waits for its turn. */
  waiting?: MessagePush;
}

/** A report that is not there after so long does not come: milliseconds, longer than an attempt takes. */
const reportMs = { call: 8_000, cancel: 8_000, message: 40_000 };
const triesMax = 5;
const mail = "mail";

/** Storage keys: `push:{callId}` (with `{origin}/` for another application's call) and `push:mail`. */
export class PushBook {
  /** Milliseconds since 1970: no message is pushed before. */
  #mailFrom = 0;
  /** Of the messages that wait. */
  #newest: MessagePush | null = null;

  constructor(private readonly kv: KeyValue) {}

  /**
   * A call is pushed to these devices, or to these as well. `alone`: no device is connected. Null
   * when that was done before, or the call is over.
   */
  call(
    content: CallPush,
    application: string,
    instances: string[],
    alone: boolean,
    now: number,
  ): DuePush | null {
    this.#sweep(now);
    const name = nameOf(content);
    const fresh: Job = { application, content, open: [], queued: [], got: [], tries: 0 };
    const job = this.#job(name) ?? { ...fresh, ...(alone && { alone }) };
    const known = new Set([...job.open, ...job.queued, ...job.got]);
    const added = instances.filter((instanceId) => !known.has(instanceId));
    if (job.content.type !== "call" || added.length === 0) return null;
    const due = this.#send(
      name,
      { ...job, open: [...job.open, ...added], tries: Math.max(1, job.tries) },
      now,
    );
    return { ...due, instances: added };
  }

  /**
   * A call is over, or another device has it: those of the pushed devices that do not know are told.
   * A device that got nothing is not, since iOS takes every VoIP push for a call.
   */
  over(
    call: Pick<CallPush, "callId" | "origin">,
    cause: CancelPush["cause"],
    knows: (instanceId: string) => boolean,
    now: number,
  ): DuePush | null {
    const name = nameOf(call);
    const job = this.#job(name);
    if (job?.content.type !== "call") return null;
    const { application, got } = job;
    const { headers: _, ...about } = job.content;
    const open = [...new Set([...job.open, ...got])].filter((instanceId) => !knows(instanceId));
    const content: CancelPush = { ...about, type: "cancel", cause };
    if (open.length > 0)
      return this.#send(name, { application, content, open, queued: [], got: [], tries: 1 }, now);
    this.kv.delete(keyOf(name));
    return null;
  }

  /** A message came while the user sleeps. Null when it waits for its turn: what comes soon after a push is one push. */
  message(content: MessagePush, application: string, instances: string[], now: number): DuePush | null {
    const fresh: Job = { application, content, open: instances, queued: [], got: [], tries: 1 };
    if (now >= this.#mailFrom) return this.#send(mail, fresh, now);
    // What it says may be lost with this memory; that there is something to say may not.
    this.#newest = content;
    const job = this.#job(mail) ?? { ...fresh, open: [] };
    const due = Math.min(job.due ?? this.#mailFrom, this.#mailFrom);
    if (!job.waiting) this.#put(mail, { ...job, waiting: content, due });
    return null;
  }

  /**
   * Devices were reported on, by a first attempt or a later one. `unreachable`: a call that has
   * reached nobody, and nobody is left to try; to be told, and then given to {@link told}.
   */
  report(push: string, results: readonly PushOfDevice[]): { unreachable?: CallPush } {
    const found = this.#find(push);
    if (!found) return {};
    const { name, job } = found;
    const { content } = job;
    const next = { ...job, ...reported(job, results) };
    if (next.open.length === 0 && !next.waiting && !isUnreached(next)) delete next.due;
    const isDone = content.type === "cancel" && next.open.length + next.queued.length === 0;
    if (isDone) this.kv.delete(keyOf(name));
    else if (JSON.stringify(next) !== JSON.stringify(job)) this.#put(name, next);
    return content.type === "call" && isUnreached(next) ? { unreachable: content } : {};
  }

  /** The calls that have reached nobody, and of which that could not be told. */
  unreachable(now: number): CallPush[] {
    return this.#jobs().flatMap(([, job]) =>
      job.content.type === "call" && isUnreached(job) && (job.due ?? now) <= now ? [job.content] : [],
    );
  }

  /** A call is known to have reached nobody. */
  told(call: CallPush): void {
    const name = nameOf(call);
    const job = this.#job(name);
    if (job?.content.type !== "call") return;
    const { alone: _, due: __, ...rest } = job;
    this.#put(name, rest);
  }

  /** Whether a push is still the one that its devices should get. */
  isWanted(push: string, now: number): boolean {
    const content = this.#find(push)?.job.content;
    return content !== undefined && content.until + graceMs(content, 0) > now;
  }

  /** What is to be sent (again) now. `sleepers`: the devices that messages are pushed to. */
  due(now: number, sleepers: () => string[]): DuePush[] {
    return this.#jobs().flatMap(([name, job]) => {
      const { due, waiting, ...rest } = job;
      if (due === undefined || due > now || isUnreached(job)) return [];
      if (job.content.type === "message") {
        const asleep = new Set(sleepers());
        rest.open = waiting ? [...asleep] : rest.open.filter((instanceId) => asleep.has(instanceId));
        if (waiting) Object.assign(rest, { content: this.#newest ?? waiting, tries: 0 });
      }
      const { content, open, tries, queued } = rest;
      if (open.length > 0 && tries < triesMax && content.until + graceMs(content, 0) > now)
        return [this.#send(name, { ...rest, tries: tries + 1 }, now)];
      // A call's devices have to hear that it is over, and the queue asks whether its push is wanted.
      if (content.type === "cancel" && queued.length === 0) this.kv.delete(keyOf(name));
      else this.#put(name, rest);
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

  /** The job that a push is of, if it is still about that. */
  #find(push: string): { name: string; job: Job } | undefined {
    const name = push.startsWith("message:") ? mail : push.slice(push.indexOf(":") + 1);
    const job = this.#job(name);
    return job && pushOf(job.content) === push ? { name, job } : undefined;
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
  return `${content.type}:${content.type === "message" ? content.messageId : nameOf(content)}`;
}

/** Two applications' calls may have one id: their callers make it. */
function nameOf({ callId, origin }: Pick<CallPush, "callId" | "origin">): string {
  return origin ? `${origin}/${callId}` : callId;
}

/** Where each device is afterwards. What is late does not take back what is known. */
function reported(
  { content, ...job }: Job,
  results: readonly PushOfDevice[],
): Pick<Job, "open" | "queued" | "got"> {
  const outcome = new Map(results.map(({ instanceId, result }) => [instanceId, result]));
  const got = new Set(job.got);
  const without = (instances: string[]) => instances.filter((instanceId) => !outcome.has(instanceId));
  const open = without(job.open);
  if (content.type === "message") return { open, queued: [], got: [] };
  const having = (result: PushOfDevice["result"]) =>
    [...outcome].flatMap(([id, one]) => (one === result && !got.has(id) ? [id] : []));
  return { open, queued: [...without(job.queued), ...having("later")], got: [...got, ...having("sent")] };
}

function isUnreached({ alone, open, queued, got }: Job): boolean {
  return alone === true && open.length + queued.length + got.length === 0;
}

/** That a call was missed is worth knowing also after it would have stopped ringing. */
function graceMs({ type }: PushContent, others: number): number {
  return type === "cancel" ? serverLimits.missedCallHours * 3_600_000 : others;
}
