/** Applications in the Worker's memory, so that a request does not wait for D1. */
import type { Application } from "./applications";

const ttlMs = 30_000;
const sizeMax = 1_000;

/**
 * Found applications for 30 seconds: so long another location may go by a secret that was revoked
 * or an application that was deleted. What is not there is not kept, or made-up keys would push
 * out the real ones.
 */
export class ApplicationCache {
  readonly #entries = new Map<string, { application: Application; until: number }>();

  async find(
    key: string,
    now: number,
    load: (key: string) => Promise<Application | undefined>,
  ): Promise<Application | undefined> {
    const entry = this.#entries.get(key);
    if (entry && entry.until > now) return entry.application;
    this.#entries.delete(key);
    const application = await load(key);
    if (!application) return undefined;
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size >= sizeMax && oldest !== undefined) this.#entries.delete(oldest);
    this.#entries.set(key, { application, until: now + ttlMs });
    return application;
  }

  /** After a change, so that this location goes by it at once. */
  forget(key: string): void {
    this.#entries.delete(key);
  }
}
