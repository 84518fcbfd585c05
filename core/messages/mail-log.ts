/**
 * What waits in a mailbox, in the order of `seq`, kept so that a message costs one written row and
 * as good as never another one to be cleared away.
 *
 * The newest messages are the *open chunk*, a single stored value that is written again with each
 * batch that arrives. When it is full it becomes a closed chunk, a value of its own. So a thousand
 * messages that arrive one by one are 1,031 written rows, and 31 more when their chunks are
 * deleted; arriving together they are fewer. What need not be kept is dropped from the open chunk
 * as it is written.
 */
import type { MailMessage } from "../../protocol";
import type { KeyValue } from "../key-value";

/** A message in the mailbox. */
export interface Letter extends MailMessage {
  /** When it came here, milliseconds since 1970; never less than that of the one before. */
  at: number;
}

/** How much is read at a time. */
export interface Portion {
  count: number;
  /** Characters, roughly. */
  size: number;
}

interface Open<State> {
  /** The last seq that was given. */
  last: number;
  /** The lowest seq that is kept; `last + 1` when nothing is. */
  first: number;
  letters: Letter[];
  /** The owner's, stored along: it costs no row of its own. */
  state?: State;
}

/**
 * A full chunk; one message more may be in it. Small, since all of it is written with each message.
 * Structured clones of two-byte texts stay far below 2 MB.
 */
const chunk: Portion = { count: 32, size: 16_384 };

/** Storage keys: `mailbox` for the open chunk, `mail:{seq of its first message}` for a closed one. */
export class MailLog<State> {
  #open!: Open<State>;
  #size = 0;

  constructor(
    private readonly kv: KeyValue,
    private readonly state: () => State,
  ) {
    this.#load();
  }

  /** As it was stored last. */
  get storedState(): State | undefined {
    return this.#open.state;
  }

  get last(): number {
    return this.#open.last;
  }

  /** The lowest seq that is kept; `last + 1` when nothing is. */
  get first(): number {
    return this.#open.first;
  }

  /** The seq from which on letters are in memory. */
  get openFirst(): number {
    return this.#open.letters[0]?.seq ?? this.#open.last + 1;
  }

  get lastAt(): number {
    return this.#open.letters.at(-1)?.at ?? 0;
  }

  /** Appends, and writes. `isDone` says of letters in the open chunk that they need not be kept. */
  append(letters: readonly Letter[], isDone: (letter: Letter) => boolean): void {
    this.#trim(isDone);
    try {
      for (const letter of letters) {
        if (this.#open.letters.length >= chunk.count || this.#size >= chunk.size) this.#close();
        this.#open.letters.push(letter);
        this.#size += sizeOf(letter);
        this.#open.last = letter.seq;
      }
      this.save();
    } catch (error) {
      // What is not stored was not taken: memory must not know better.
      this.#load();
      throw error;
    }
  }

  /** Writes the open chunk, and the owner's state with it. */
  save(): void {
    this.#open.state = this.state();
    this.kv.put("mailbox", this.#open);
  }

  /** Letters with a seq above `after`, in order, none left out; at least one if there is one. */
  read(after: number, portion: Portion): Letter[] {
    const found: Letter[] = [];
    let size = 0;
    for (const letters of this.#chunksFrom(after + 1)) {
      for (const letter of letters) {
        if (letter.seq <= after) continue;
        size += sizeOf(letter);
        if (found.length >= portion.count || (size > portion.size && found.length > 0)) return found;
        found.push(letter);
      }
    }
    return found;
  }

  /** The chunk before the one that begins with `seq`. */
  before(seq: number): Letter[] {
    for (const [, letters] of this.kv.list<Letter[]>({
      prefix: "mail:",
      end: keyOf(seq),
      reverse: true,
      limit: 1,
    }))
      return letters;
    return [];
  }

  /** The oldest letter that is kept. */
  oldest(): Letter | undefined {
    return this.read(this.#open.first - 1, { count: 1, size: 0 })[0];
  }

  /** Deletes the oldest letters that are done. A chunk goes as a whole, or (`exact`) is written again without them. */
  drop(
    isDone: (letter: Letter) => boolean,
    how: { chunks: number; exact: boolean; gone?: (letters: Letter[]) => void },
  ): void {
    const { first } = this.#open;
    for (let left = how.chunks; left > 0; left -= 1) {
      const [oldest] = [...this.kv.list<Letter[]>({ prefix: "mail:", limit: 1 })];
      if (!oldest) break;
      const [key, letters] = oldest;
      const kept = letters.findIndex((letter) => !isDone(letter));
      const whole = kept < 0;
      if (!whole && (kept === 0 || !how.exact)) break;
      const rest = whole ? [] : letters.slice(kept);
      this.kv.delete(key);
      if (whole) how.gone?.(letters);
      if (rest[0]) this.kv.put(keyOf(rest[0].seq), rest);
      this.#open.first = rest[0]?.seq ?? (letters.at(-1)?.seq ?? 0) + 1;
      if (!whole) break;
    }
    this.#trim(isDone);
    if (this.#open.first !== first) this.save();
  }

  /** Those that are done at the beginning of the open chunk, when there is no older one. */
  #trim(isDone: (letter: Letter) => boolean): void {
    const { letters, first } = this.#open;
    if (letters[0]?.seq !== first) return;
    let done = 0;
    for (const letter of letters) {
      if (!isDone(letter)) break;
      done += 1;
      this.#size -= sizeOf(letter);
    }
    this.#open.letters = letters.slice(done);
    this.#open.first = first + done;
  }

  #load(): void {
    this.#open = this.kv.get<Open<State>>("mailbox") ?? { last: 0, first: 1, letters: [] };
    this.#size = this.#open.letters.reduce((sum, letter) => sum + sizeOf(letter), 0);
  }

  #close(): void {
    const { letters } = this.#open;
    const [first] = letters;
    if (first) this.kv.put(keyOf(first.seq), letters);
    this.#open.letters = [];
    this.#size = 0;
  }

  *#chunksFrom(seq: number): Generator<Letter[]> {
    if (seq < this.openFirst) {
      const [begin] = [
        ...this.kv.list<Letter[]>({ prefix: "mail:", end: keyOf(seq + 1), reverse: true, limit: 1 }),
      ];
      // One at a time: a mailbox may be larger than memory.
      for (let start = begin?.[0] ?? keyOf(seq); ; ) {
        const [next] = [...this.kv.list<Letter[]>({ prefix: "mail:", start, limit: 1 })];
        if (!next) break;
        yield next[1];
        start = keyOf((next[1].at(-1)?.seq ?? Number.MAX_SAFE_INTEGER - 1) + 1);
      }
    }
    yield this.#open.letters;
  }
}

export function keyOf(seq: number, prefix = "mail:"): string {
  return `${prefix}${String(seq).padStart(16, "0")}`;
}

/** Characters, roughly. */
export function sizeOf({ text, to, headers }: Pick<Letter, "text" | "to" | "headers">): number {
  let size = 200 + text.length;
  for (const id of to) size += id.length + 4;
  for (const name in headers) size += name.length + (headers[name]?.length ?? 0);
  return size;
}
