import type { CarillonStorage } from "./storage";
import { type Locks, locked } from "./tabs";
import { parse } from "./values";

/** Where it is kept. */
interface Device {
  storage: CarillonStorage;
  runtime: { locks: Locks | undefined };
}

/** Gives the new value. Undefined is none. */
type Edit<T> = (value: T | undefined) => T | undefined;

/**
 * One value of the storage that all tabs change: read, changed and written under a lock. Changes
 * that come while a write is under way are written together after it, so that many cost few writes.
 */
export class SharedValue<T> {
  readonly #device: Device;
  readonly #key: string;
  #text: string | undefined;
  #value: T | undefined;
  #edits: Edit<T>[] = [];
  /** The write that takes the edits. */
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(device: Device, key: string) {
    this.#device = device;
    this.#key = key;
  }

  /** As it was last read or written here. */
  get value(): T | undefined {
    return this.#value;
  }

  /** Settles when it is stored. */
  change(edit: Edit<T>): Promise<void> {
    this.#edits.push(edit);
    if (!this.#next) {
      const write = () => locked(this.#device.runtime.locks, this.#key, () => this.#write());
      this.#last = this.#next = this.#last.then(write, write);
    }
    return this.#next;
  }

  /** Reads what other tabs have written. */
  async read(): Promise<T | undefined> {
    await this.change((value) => value);
    return this.#value;
  }

  async #write(): Promise<void> {
    const { storage } = this.#device;
    let text: string | undefined;
    let edits: Edit<T>[] = [];
    try {
      text = (await storage.get(this.#key)) ?? undefined;
    } finally {
      edits = this.#edits.splice(0);
      this.#next = undefined;
    }
    const before = text === this.#text ? this.#value : (parse(text) as T | undefined);
    const value = edits.reduce((current, edit) => edit(current), before);
    const next = value === before ? text : JSON.stringify(value);
    if (next !== undefined && next !== text) await storage.set(this.#key, next);
    if (next === undefined && text !== undefined) await storage.delete(this.#key);
    this.#text = next;
    this.#value = value;
  }
}
