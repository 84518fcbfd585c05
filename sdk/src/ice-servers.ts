import type { IceServer, IceServersResult } from "../../protocol";
import { Alarm } from "./alarm";
import type { Runtime } from "./runtime";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  /** A call does not wait longer: host candidates are better than nothing. */
  wait = 1_000,
  early = 60_000,
}

/** STUN and TURN servers, fetched ahead so that a call never waits for them when it can be helped. */
export class IceServers {
  readonly #runtime: Runtime;
  /** The server's clock, milliseconds since 1970. */
  readonly #serverNow: () => number;
  readonly #ask: () => Promise<IceServersResult>;
  #servers: IceServer[] = [];
  #until = 0;
  #fetching: Promise<void> | undefined;

  constructor(runtime: Runtime, serverNow: () => number, ask: () => Promise<IceServersResult>) {
    this.#runtime = runtime;
    this.#serverNow = serverNow;
    this.#ask = ask;
  }

  /** Asks if what is here is about to expire. Never rejects. */
  prefetch(): Promise<void> {
    if (this.fresh) return Promise.resolve();
    this.#fetching ??= this.#ask()
      .then(({ iceServers, expiresAt }) => {
        this.#servers = iceServers;
        this.#until = expiresAt - timers.early;
      })
      .catch(() => {})
      .finally(() => {
        this.#fetching = undefined;
      });
    return this.#fetching;
  }

  /** At once when they are fresh, undefined otherwise. */
  get fresh(): IceServer[] | undefined {
    return this.#serverNow() < this.#until ? this.#servers : undefined;
  }

  /** Within a second, with the best that is known. */
  async get(): Promise<IceServer[]> {
    await Promise.race([this.prefetch(), new Alarm(this.#runtime).wait(timers.wait)]);
    return this.#servers;
  }
}
