import type { KeyValue } from "../key-value";

/** An object's storage in a test: values are copies, as they are after a restart, and reads and writes are counted. */
export class MapStore implements KeyValue {
  /** Rows written, deletes included. */
  written = 0;
  /** Values read. */
  read = 0;
  /** Set, the next writes fail. */
  failing = false;
  #values = new Map<string, unknown>();

  get size(): number {
    return this.#values.size;
  }

  get<T>(key: string): T | undefined {
    this.read += 1;
    return structuredClone(this.#values.get(key)) as T | undefined;
  }

  put<T>(key: string, value: T): void {
    if (this.failing) throw new Error("disk full");
    this.written += 1;
    this.#values.set(key, structuredClone(value));
  }

  delete(key: string): boolean {
    const there = this.#values.delete(key);
    if (there) this.written += 1;
    return there;
  }

  list<T>({ prefix, start = "", end, reverse, limit }: Parameters<KeyValue["list"]>[0]): [string, T][] {
    const keys = [...this.#values.keys()]
      .filter((key) => key.startsWith(prefix) && key >= start && (end === undefined || key < end))
      .sort();
    if (reverse) keys.reverse();
    return keys.slice(0, limit).map((key) => [key, this.get(key) as T]);
  }
}
