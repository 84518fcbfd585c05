/**
 * Messages of one user that the hubs of their recipients did not take: accepted and stored here,
 * and tried again until the recipient's hub has answered or they are too old. Logic over stored
 * values, with no clock in it.
 *
 * What follows for the same recipient waits behind, so that order is kept.
 */
import { fail, type Message, ok, type Result, serverLimits } from "../../protocol";
import type { KeyValue } from "../key-value";
import { sizeOf } from "./mail-log";

interface Waiting {
  messages: Message[];
  /** Tries that failed, one after the other. */
  failures: number;
  /** When to try again, milliseconds since 1970. */
  next: number;
}

const keepMs = serverLimits.messageDays * 86_400_000;
const retryMs = 1_000;
const retryMsMax = 3_600_000;
/** Characters, so that the stored value stays below 2 MB. */
const sizeMax = 500_000;

/** Storage keys: `out:{recipient}`, one value for each recipient. */
export class Outbox {
  readonly #waiting: Map<string, Waiting>;

  constructor(
    private readonly kv: KeyValue,
    /** 0 to 1. */
    private readonly random: () => number,
  ) {
    this.#waiting = new Map(
      [...kv.list<Waiting>({ prefix: "out:" })].map(([key, waiting]) => [key.slice(4), waiting]),
    );
  }

  /** Something waits for this recipient. */
  has(recipient: string): boolean {
    return this.#waiting.has(recipient);
  }

  /** Stores messages behind what waits. Errors, per message: unavailable (too many wait), conflict. */
  add(recipient: string, messages: readonly Message[], now: number): Result<{ time: number }>[] {
    const waiting = this.#waiting.get(recipient) ?? { messages: [], failures: 0, next: this.#after(0, now) };
    const all = [...waiting.messages];
    let full = false;
    let size = all.reduce((sum, message) => sum + sizeOf(message), 0);
    const results = messages.map((message): Result<{ time: number }> => {
      const known = all.find(({ id }) => id === message.id);
      if (known) {
        return known.text === message.text
          ? ok({ time: known.time })
          : fail("conflict", { detail: "this id was used for another message" });
      }
      // What follows is not taken either, so that the order stays.
      full ||= all.length >= serverLimits.outboxMessages || size + sizeOf(message) > sizeMax;
      if (full) return fail("unavailable", { retryAfter: 30 });
      size += sizeOf(message);
      all.push(message);
      return ok({ time: message.time });
    });
    if (all.length > waiting.messages.length) this.#put(recipient, { ...waiting, messages: all });
    return results;
  }

  /** Recipients whose time has come. */
  due(now: number): string[] {
    return [...this.#waiting].filter(([, { next }]) => next <= now).map(([recipient]) => recipient);
  }

  /** The first messages for a recipient. */
  first(recipient: string, count: number): Message[] {
    return this.#waiting.get(recipient)?.messages.slice(0, count) ?? [];
  }

  /** The recipient's hub has answered for the first `count` messages: they are done, whatever it said. */
  done(recipient: string, count: number): void {
    const waiting = this.#waiting.get(recipient);
    if (waiting) this.#put(recipient, { ...waiting, messages: waiting.messages.slice(count), failures: 0 });
  }

  /** The recipient's hub did not answer. */
  failed(recipient: string, now: number): void {
    const waiting = this.#waiting.get(recipient);
    if (!waiting) return;
    const failures = waiting.failures + 1;
    this.#put(recipient, { ...waiting, failures, next: this.#after(failures, now) });
  }

  /** Takes out what is too old, and answers it. */
  expire(now: number): { recipient: string; message: Message }[] {
    return [...this.#waiting].flatMap(([recipient, waiting]) => {
      const old = waiting.messages.filter(({ time }) => time <= now - keepMs);
      if (old.length > 0) {
        const messages = waiting.messages.filter((message) => !old.includes(message));
        this.#put(recipient, { ...waiting, messages });
      }
      return old.map((message) => ({ recipient, message }));
    });
  }

  /** When there is something to do, milliseconds since 1970; null for never. */
  get next(): number | null {
    return this.#waiting.size === 0 ? null : Math.min(...[...this.#waiting.values()].map(({ next }) => next));
  }

  #put(recipient: string, waiting: Waiting): void {
    if (waiting.messages.length === 0) {
      this.kv.delete(`out:${recipient}`);
      this.#waiting.delete(recipient);
    } else {
      this.kv.put(`out:${recipient}`, waiting);
      this.#waiting.set(recipient, waiting);
    }
  }

  /** Twice as long after each failure, with jitter, so that hubs do not come back all at once. */
  #after(failures: number, now: number): number {
    const wait = Math.min(retryMs * 2 ** failures, retryMsMax);
    return now + wait * (0.5 + this.random() / 2);
  }
}
