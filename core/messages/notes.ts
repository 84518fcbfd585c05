/**
 * What became of messages, for the devices of their sender. The history in D1 is where that is
 * kept for good; notes only spare a device to look. So they are told to the connected devices and
 * remembered in memory for the one that drops at this moment, and stored only while no device is
 * connected, until one has them.
 */
import type { Note } from "../../protocol";
import type { KeyValue } from "../key-value";

/** A note without its number. */
export type Unnumbered<N> = N extends { seq: number } ? Omit<N, "seq"> : never;

const recentMax = 200;
const storedMax = 500;

/** Storage key: `notes`. */
export class Notes {
  /** `except` is the instance that knows it already. */
  #recent: { note: Note; except?: string }[] = [];
  #stored: Note[];
  #last: number;

  constructor(private readonly kv: KeyValue) {
    this.#stored = kv.get<Note[]>("notes") ?? [];
    this.#last = this.#stored.at(-1)?.seq ?? 0;
  }

  /**
   * Numbers notes; with `keep` they are stored. The number is the time where that is greater, so
   * that it grows also when memory was lost.
   */
  add(notes: readonly Unnumbered<Note>[], now: number, keep: boolean, except?: string): Note[] {
    const numbered = notes.map((note): Note => {
      this.#last = Math.max(this.#last + 1, now);
      return { ...note, seq: this.#last };
    });
    if (keep) {
      this.#stored = [...this.#stored, ...numbered].slice(-storedMax);
      this.kv.put("notes", this.#stored);
    } else {
      this.#remember(numbered, except);
    }
    return numbered;
  }

  /** Those that an instance has not applied, which has come to `seq`. */
  after(seq: number, instanceId: string): Note[] {
    const recent = this.#recent.filter(({ except }) => except !== instanceId).map(({ note }) => note);
    return [...this.#stored, ...recent]
      .filter((note) => note.seq > seq)
      .sort((one, other) => one.seq - other.seq);
  }

  /** A device has everything up to `seq`: the others have the history. */
  acknowledge(seq: number): void {
    const rest = this.#stored.filter((note) => note.seq > seq);
    if (rest.length === this.#stored.length) return;
    this.#remember(this.#stored.filter((note) => note.seq <= seq));
    this.#stored = rest;
    if (rest.length === 0) this.kv.delete("notes");
    else this.kv.put("notes", rest);
  }

  #remember(notes: readonly Note[], except?: string): void {
    this.#recent = [...this.#recent, ...notes.map((note) => ({ note, except }))].slice(-recentMax);
  }
}
