/**
 * The mailbox of one user: what its devices have still to hear, once and in order, and what the
 * history in D1 has still to learn. Logic over stored values, with no socket and no clock in it.
 *
 * Four numbers say how far things are, all of them a `seq`:
 * - each instance's *position*: it has everything up to there;
 * - `delivered`: at least one instance has everything up to there;
 * - `archived`: D1 has everything up to there;
 * - `stated`: D1 knows of the delivery of everything up to there.
 *
 * Only the letters are stored before anything is answered. The numbers are stored along with them,
 * and when a device goes ({@link Mailbox.store}); what is lost of them in a crash is told again by
 * the devices, and writing to D1 twice changes nothing.
 */
import {
  errorBody,
  fail,
  type Message,
  ok,
  type Result,
  serverLimits,
  timeOfMessageId,
} from "../../protocol";
import type { KeyValue } from "../key-value";
import { keyOf, type Letter, MailLog, type Portion } from "./mail-log";

/** An installation, as the mailbox sees it. */
export interface Reader {
  instanceId: string;
  /** Where it began: what was delivered before it was registered is not for it. */
  start: number;
}

/** How far the mailbox is, beside its letters. */
export interface Progress {
  delivered: number;
  archived: number;
  stated: number;
}

/** A piece of work for the archive. */
export interface ArchiveWork {
  letters: { letter: Letter; delivered?: number }[];
  /** To be handed to {@link Mailbox.archivedTo} when D1 has them. */
  done: Pick<Progress, "archived" | "stated">;
}

interface Stored extends Progress {
  positions: Record<string, number>;
}

const hourMs = 3_600_000;
/** A message's id may be sent again for so long; until then it is remembered. */
const rememberMs = (serverLimits.messageIdHours + 1) * hourMs;
const keepMs = serverLimits.messageDays * 24 * hourMs;
/** Ids that are looked through at most, the last ones: twice as many as wait at most. */
const seenMax = 20_000;
const deliveriesMax = 1_000;
/** Read at a time, so that a large mailbox need not fit into memory. */
const archivePortion: Portion = { count: 200, size: 400_000 };

/** Storage keys: those of {@link MailLog}. */
export class Mailbox {
  readonly #log: MailLog<Stored>;
  readonly #progress: Progress;
  readonly #positions: Map<string, number>;
  #changed = false;
  /** The ids of all letters from `#seenFrom` on. */
  #seen = new Map<string, Gone>();
  #seenFrom: number;
  /** The time of the letter at `#seenFrom`. */
  #seenSince = Number.POSITIVE_INFINITY;
  /** When letters were delivered, until D1 knows. */
  #deliveries: { upTo: number; time: number }[] = [];

  constructor(
    private readonly kv: KeyValue,
    /** The installations that take messages. */
    private readonly readers: () => Reader[],
  ) {
    this.#log = new MailLog(kv, () => this.#state());
    const { positions, ...progress } = this.#log.storedState ?? { ...nothing, positions: {} };
    this.#progress = progress;
    this.#positions = new Map(Object.entries(positions));
    this.#seenFrom = this.#log.last + 1;
  }

  /** The last seq that was given. */
  get last(): number {
    return this.#log.last;
  }

  get progress(): Readonly<Progress> {
    return this.#progress;
  }

  /** Messages that no device has. */
  get waiting(): number {
    return this.#log.last - Math.max(this.#progress.delivered, this.#log.first - 1);
  }

  /** The last one that came, if it is kept. */
  get newest(): Letter | undefined {
    return this.#log.read(this.#log.last - 1, { count: 1, size: 0 })[0];
  }

  /** D1 has something to learn, as far as is known. */
  get unarchived(): boolean {
    const { archived, stated, delivered } = this.#progress;
    return archived < this.#log.last || stated < delivered;
  }

  /** What is known from elsewhere after a sleep: the numbers only grow. */
  recall(progress: Partial<Progress>): void {
    for (const name of ["delivered", "archived", "stated"] as const) {
      this.#progress[name] = Math.max(this.#progress[name], Math.min(progress[name] ?? 0, this.#log.last));
    }
  }

  /**
   * Takes messages and stores them, in one written row where they fit together. One that is here
   * already is not taken again: its first time is the answer, or conflict when it says something
   * else. Errors, per message: conflict, mailboxFull, unavailable.
   */
  take(messages: readonly Message[], now: number): Result<{ time: number; repeated?: true }>[] {
    const fresh: Letter[] = [];
    const at = Math.max(now, this.#log.lastAt);
    const taken = messages.map((message): Result<{ time: number; repeated?: true }> => {
      const known =
        this.#find(message, now) ?? fresh.find(({ id, from }) => id === message.id && from === message.from);
      if (known)
        return !isLetter(known) || same(known, message) ? ok({ time: known.time, repeated: true }) : reused();
      const room = this.#makeRoom(fresh.length, now);
      if (!room.ok) return room;
      const seq = this.#log.last + fresh.length + 1;
      const { id, from, to, text, headers, time } = message;
      fresh.push({ seq, id, from, to, text, headers, time, at });
      return ok({ time });
    });
    if (fresh.length > 0) {
      this.#log.append(fresh, (letter) => this.#isDone(letter, now));
      for (const letter of fresh) this.#seen.set(nameOf(letter), goneOf(letter));
      this.#seenSince = Math.min(this.#seenSince, at);
    }
    return taken;
  }

  /**
   * The letters above `after` that are not too old; `upTo` is the last that was looked at, and what
   * to ask for next.
   */
  read(after: number, portion: Portion, now: number): { letters: Letter[]; upTo: number } {
    let upTo = Math.max(after, this.#log.first - 1);
    for (;;) {
      const found = this.#log.read(upTo, portion);
      upTo = found.at(-1)?.seq ?? upTo;
      const letters = found.filter((letter) => letter.time > now - keepMs);
      if (letters.length > 0 || found.length === 0) return { letters, upTo };
    }
  }

  /** Where an instance is. */
  positionOf({ instanceId, start }: Reader): number {
    return this.#positions.get(instanceId) ?? start;
  }

  /** An instance has everything up to `seq`. Answers what no device had before: now it is delivered. */
  acknowledge(instanceId: string, seq: number, now: number): Pick<Letter, "id" | "from">[] {
    const upTo = Math.min(seq, this.#log.last);
    if (upTo > (this.#positions.get(instanceId) ?? -1)) {
      this.#positions.set(instanceId, upTo);
      this.#changed = true;
    }
    const delivered: Pick<Letter, "id" | "from">[] = [];
    for (let after = this.#progress.delivered; after < upTo; ) {
      const letters = this.#log.read(after, archivePortion).filter((letter) => letter.seq <= upTo);
      for (const { id, from, time } of letters) if (time > now - keepMs) delivered.push({ id, from });
      after = letters.at(-1)?.seq ?? upTo;
    }
    if (upTo <= this.#progress.delivered) return delivered;
    this.#progress.delivered = upTo;
    this.#deliveries.push({ upTo, time: now });
    // D1 is away for long: the oldest ones take the time of the next.
    if (this.#deliveries.length > deliveriesMax) this.#deliveries.shift();
    return delivered;
  }

  /** Stores how far everybody is, if that has changed. For the moment when a device goes. */
  store(): void {
    if (this.#changed) this.#log.save();
  }

  /** The next thing that D1 has to learn; null for nothing. */
  archiveWork(now: number): ArchiveWork | null {
    const { archived, stated, delivered } = this.#progress;
    const known = Math.min(delivered, archived);
    // First the deliveries of what D1 has already, then what it has not.
    const [after, upTo] = stated < known ? [stated, known] : [archived, this.#log.last];
    if (after >= upTo) return null;
    const found = this.#log.read(after, archivePortion).filter((letter) => letter.seq <= upTo);
    const end = found.at(-1)?.seq ?? upTo;
    const letters = found
      .filter((letter) => letter.time > now - keepMs)
      .map((letter) =>
        letter.seq <= delivered ? { letter, delivered: this.#deliveredAt(letter.seq, now) } : { letter },
      );
    return {
      letters,
      done: { archived: Math.max(archived, end), stated: Math.max(stated, Math.min(delivered, end)) },
    };
  }

  /** D1 has what {@link archiveWork} gave. */
  archivedTo(done: ArchiveWork["done"]): void {
    this.recall(done);
    const { stated } = this.#progress;
    this.#deliveries = this.#deliveries.filter(({ upTo }) => upTo > stated);
    this.#changed = true;
  }

  /** Lets go of what need not be kept any more. */
  tidy(now: number): void {
    while (this.#forgetGone(now));
    const chunks = Number.POSITIVE_INFINITY;
    this.#log.drop((letter) => this.#isDone(letter, now), { chunks, exact: false });
    // What is done may wait for the rest of its chunk; what is too old may not.
    this.#log.drop((letter) => letter.time <= now - keepMs, { chunks, exact: true });
    this.#forgetSeen();
  }

  /** When {@link tidy} has something to do at the latest, milliseconds since 1970. */
  get tidyAt(): number | null {
    const oldest = this.#log.oldest();
    return oldest ? oldest.time + keepMs : null;
  }

  /** Every device has it, D1 has it, and nobody will send it again; or it is too old. */
  #isDone(letter: Letter, now: number): boolean {
    if (letter.time <= now - keepMs) return true;
    return (
      letter.at <= now - rememberMs && letter.seq <= this.#progress.stated && letter.seq <= this.#everybody()
    );
  }

  /** Up to here all installations have everything. */
  #everybody(): number {
    const positions = this.readers().map((reader) => this.positionOf(reader));
    return positions.length > 0 ? Math.min(...positions) : 0;
  }

  /**
   * Above the limit, letters that at least one device has make room. Errors: mailboxFull when no
   * device has any of so many, unavailable when the archive is far behind.
   */
  #makeRoom(pending: number, now: number): Result<null> {
    if (this.waiting + pending >= serverLimits.mailboxMessages) return fail("mailboxFull");
    const kept = () => this.#log.last - this.#log.first + 1 + pending;
    if (kept() < serverLimits.mailboxMessages) return ok(null);
    const { stated } = this.#progress;
    // What made room may be sent again all the same: its ids stay for as long as that.
    const gone = (letters: Letter[]) => {
      const [first] = letters;
      if (!first || (letters.at(-1)?.at ?? 0) <= now - rememberMs) return;
      this.kv.put<Gone[]>(keyOf(first.seq, "gone:"), letters.map(goneOf));
      this.#forgetGone(now);
    };
    this.#log.drop((letter) => letter.seq <= stated, { chunks: 1, exact: false, gone });
    return kept() < 2 * serverLimits.mailboxMessages ? ok(null) : fail("unavailable", { retryAfter: 5 });
  }

  /** The same id of the same sender, if it is here. */
  #find(message: Message, now: number): Letter | Gone | undefined {
    // It came here after its id was made, or so much before as clocks may differ.
    const since = Math.min(timeOfMessageId(message.id), now) - serverLimits.messageIdAheadSeconds * 1_000;
    if (this.#seen.size > 2 * seenMax) this.#forgetSeen();
    while (this.#seenSince > since && this.#seen.size < seenMax) {
      const letters: Gone[] =
        this.#seenFrom > this.#log.openFirst
          ? this.#log.read(this.#log.openFirst - 1, { count: seenMax, size: Number.POSITIVE_INFINITY })
          : this.#seenFrom > this.#log.first
            ? this.#log.before(this.#seenFrom)
            : this.#goneBefore(this.#seenFrom);
      const [first] = letters;
      if (!first) {
        this.#seenSince = Number.NEGATIVE_INFINITY;
        break;
      }
      for (const letter of letters) this.#seen.set(nameOf(letter), goneOf(letter));
      this.#seenFrom = first.seq;
      this.#seenSince = first.at;
    }
    const seen = this.#seen.get(nameOf(message));
    if (!seen || seen.seq < this.#log.first) return seen;
    const [letter] = this.#log.read(seen.seq - 1, { count: 1, size: 0 });
    return letter?.seq === seen.seq ? letter : seen;
  }

  /** Forgets the oldest ids of what made room, when nobody may send them any more or they are too many. */
  #forgetGone(now: number): boolean {
    const [oldest] = [...this.kv.list<Gone[]>({ prefix: "gone:", limit: 1 })];
    const last = oldest?.[1].at(-1);
    if (!oldest || !last || (last.at > now - rememberMs && last.seq > this.#log.last - seenMax)) return false;
    return this.kv.delete(oldest[0]);
  }

  #goneBefore(seq: number): Gone[] {
    const end = keyOf(seq, "gone:");
    for (const [, gone] of this.kv.list<Gone[]>({ prefix: "gone:", end, reverse: true, limit: 1 }))
      return gone;
    return [];
  }

  #state(): Stored {
    this.#changed = false;
    const known = new Set(this.readers().map(({ instanceId }) => instanceId));
    const positions = Object.fromEntries([...this.#positions].filter(([id]) => known.has(id)));
    return { ...this.#progress, positions };
  }

  #forgetSeen(): void {
    this.#seen = new Map();
    this.#seenFrom = this.#log.last + 1;
    this.#seenSince = Number.POSITIVE_INFINITY;
  }

  #deliveredAt(seq: number, now: number): number {
    return this.#deliveries.find(({ upTo }) => upTo >= seq)?.time ?? now;
  }
}

/** What is remembered of a letter that made room. */
type Gone = Pick<Letter, "seq" | "id" | "from" | "time" | "at">;

function isLetter(one: Letter | Gone): one is Letter {
  return "text" in one;
}

function goneOf({ seq, id, from, time, at }: Gone): Gone {
  return { seq, id, from, time, at };
}

const nothing: Progress = { delivered: 0, archived: 0, stated: 0 };

/** A space is not legal in a user id; the application's is empty. */
function nameOf({ from, id }: Pick<Message, "from" | "id">): string {
  return `${from ?? ""} ${id}`;
}

function same(one: Message, other: Message): boolean {
  return (
    one.text === other.text &&
    JSON.stringify([one.to, one.headers]) === JSON.stringify([other.to, other.headers])
  );
}

function reused() {
  return {
    ok: false as const,
    error: errorBody("conflict", { detail: "this id was used for another message" }),
  };
}
