/** Applications in the Worker's memory, so that a request does not wait for D1. */
import type { Application } from "./applications";

const knownMs = 30_000;
const unknownMs = 5_000;
const sizeMax = 1_000;
/** A read that took longer may belong to a request that was given up, and never settle. */
const readMs = 10_000;

/** An application, or that there is none, as it was at a time. */
interface Read {
  application: Application | undefined;
  /** Milliseconds since 1970: when the read began. */
  asOf: number;
}

export interface CacheMeans {
  /** Milliseconds since 1970. */
  now: () => number;
  load: () => Promise<Application | undefined>;
  /** Lets a read go on when the request that began it is over: others may wait for it. */
  keepAlive: (read: Promise<unknown>) => void;
}

/**
 * Applications for 30 seconds: so long another location may go by a secret that was revoked or an
 * application that was deleted. That there is none is remembered for 5 seconds, apart from the
 * others, or made-up keys would push out the real ones. A key is read once at a time.
 */
export class ApplicationCache {
  readonly #known = new Map<string, Read>();
  readonly #unknown = new Map<string, Read>();
  readonly #reads = new Map<string, { began: number; read: Promise<Read> }>();

  /** The application as it was no longer than `maxAge` milliseconds ago; 0: as it is now. */
  async find(key: string, means: CacheMeans, maxAge = knownMs): Promise<Application | undefined> {
    const now = means.now();
    const remembered = this.#known.get(key) ?? this.#unknown.get(key);
    const age = remembered?.application ? maxAge : Math.min(maxAge, unknownMs);
    if (remembered && remembered.asOf > now - age) return remembered.application;
    const underWay = this.#reads.get(key);
    if (underWay && underWay.began > now - readMs) {
      const read = await underWay.read.catch(() => undefined);
      if (read && read.asOf >= now - maxAge) return read.application;
      // Whoever waited for a read that began too early shares the next one.
      const next = this.#reads.get(key);
      if (next && next.began >= now) return (await next.read).application;
    }
    return (await this.#begin(key, means)).application;
  }

  /** After a change, so that this location goes by it at once. */
  forget(key: string): void {
    this.#known.delete(key);
    this.#unknown.delete(key);
    this.#reads.delete(key);
  }

  #begin(key: string, means: CacheMeans): Promise<Read> {
    const began = means.now();
    const read = means.load().then((application) => ({ application, asOf: began }));
    this.#reads.set(key, { began, read });
    const settled = read.then(
      (value) => this.#settle(key, read, value),
      () => this.#settle(key, read),
    );
    means.keepAlive(settled);
    return read;
  }

  /** Unless it was forgotten meanwhile: then it may be from before the change. */
  #settle(key: string, read: Promise<Read>, value?: Read): void {
    if (this.#reads.get(key)?.read !== read) return;
    this.#reads.delete(key);
    if (!value) return;
    this.#known.delete(key);
    this.#unknown.delete(key);
    keep(value.application ? this.#known : this.#unknown, key, value);
  }
}

/** The oldest goes when there are too many. */
function keep(reads: Map<string, Read>, key: string, read: Read): void {
  const oldest = reads.keys().next().value;
  if (reads.size >= sizeMax && oldest !== undefined) reads.delete(oldest);
  reads.set(key, read);
}
