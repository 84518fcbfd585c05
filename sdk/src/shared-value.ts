import type { CarillonStorage } from "./storage";
import { type Locks, locked } from "./tabs";

interface Edit<T> {
  /** Throws for a change that is not possible. */
  edit(value: T | undefined): T | undefined;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * One value of the storage that all tabs change: read, changed and written under a lock. Changes
 * that come while a write is under way are written together after it, so that many cost few writes.
 */
export class SharedValue<T> {
  readonly #storage: CarillonStorage;
  readonly #locks: Locks | undefined;
  readonly #key: string;
  #text: string | undefined;
  #value: T | undefined;
  #waiting: Edit<T>[] = [];
  #writing = false;

  constructor(storage: CarillonStorage, locks: Locks | undefined, key: string) {
    this.#storage = storage;
    this.#locks = locks;
    this.#key = key;
  }

  /** As it was last read or written here. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Settles when it is stored. Undefined is no value. */
  change(edit: Edit<T>["edit"]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ edit, resolve, reject });
      if (!this.#writing) void this.#write();
    });
  }

  /** Reads what other tabs have written. */
  async read(): Promise<T | undefined> {
    await this.change((value) => value);
    return this.#value;
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      let edits: Edit<T>[] = [];
      let settle: (() => void)[] = [];
      try {
        await locked(this.#locks, this.#key, async () => {
          const text = (await this.#storage.get(this.#key)) ?? undefined;
          const before = text === this.#text ? this.#value : parse<T>(text);
          let value = before;
          edits = this.#waiting.splice(0);
          settle = edits.map(({ edit, resolve, reject }) => {
            try {
              value = edit(value);
              return resolve;
            } catch (error) {
              return () => reject(error);
            }
          });
          await this.#store(text, value === before ? text : JSON.stringify(value));
          this.#value = value;
        });
      } catch (error) {
        // Nothing of it is stored.
        settle = (edits.length > 0 ? edits : this.#waiting.splice(0)).map(
          ({ reject }) =>
            () =>
              reject(error),
        );
      }
      for (const each of settle) each();
    }
    this.#writing = false;
  }

  async #store(was: string | undefined, text: string | undefined): Promise<void> {
    if (text !== was) {
      if (text === undefined) await this.#storage.delete(this.#key);
      else await this.#storage.set(this.#key, text);
    }
    this.#text = text;
  }
}

/** A value that cannot be read is none: nothing would ever be written again otherwise. */
function parse<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}
