/** Applications in the Worker's memory, so that a request does not wait for D1. */
import type { Application } from "./applications";

const knownMs = 30_000;
const unknownMs = 5_000;
const sizeMax = 1_000;
/** So long others go by what is remembered while one request reads anew. */
const renewingMs = 1_000;

/** An application, or that there is none, as it was at a time (milliseconds since 1970). */
interface Read {
  application: Application | undefined;
  /** When the read began. */
  asOf: number;
  /** When the last read that is to replace it began. */
  renewing?: number;
}

export interface CacheMeans {
  /** Milliseconds since 1970. */
  now: () => number;
  load: () => Promise<Application | undefined>;
}

/**
 * Applications for 30 seconds: so long another location may go by a secret that was revoked or an
 * application that was deleted. That there is none is remembered for 5 seconds, apart from the
 * others, or made-up keys would push out the real ones.
 *
 * No request waits for the read of another: a Worker's request that is given up takes its reads
 * with it. What is remembered serves for the second that a read may take.
 */
export class ApplicationCache {
  readonly #known = new Map<string, Read>();
  readonly #unknown = new Map<string, Read>();
  #changes = 0;

  /** The application as it was no longer than `maxAge` milliseconds ago; 0: as it is now. */
  async find(key: string, { now, load }: CacheMeans, maxAge = knownMs): Promise<Application | undefined> {
    const began = now();
    const changes = this.#changes;
    const remembered = this.#known.get(key) ?? this.#unknown.get(key);
    if (remembered) {
      const age = remembered.application ? maxAge : Math.min(maxAge, unknownMs);
      const fresh = remembered.asOf > began - age;
      const renewing = maxAge > 0 && (remembered.renewing ?? Number.NEGATIVE_INFINITY) > began - renewingMs;
      if (fresh || renewing) return remembered.application;
      remembered.renewing = began;
    }
    const application = await load();
    // What was changed meanwhile may have been read before.
    if (changes === this.#changes) this.#keep(key, { application, asOf: began });
    return application;
  }

  /** After a change, so that this location goes by it at once. */
  forget(key: string): void {
    this.#changes += 1;
    this.#known.delete(key);
    this.#unknown.delete(key);
  }

  #keep(key: string, read: Read): void {
    const former = this.#known.get(key) ?? this.#unknown.get(key);
    if (former && former.asOf > read.asOf) return;
    this.#known.delete(key);
    this.#unknown.delete(key);
    const reads = read.application ? this.#known : this.#unknown;
    const oldest = reads.keys().next().value;
    if (reads.size >= sizeMax && oldest !== undefined) reads.delete(oldest);
    reads.set(key, read);
  }
}
