import { serverLimits } from "../../protocol";

/** So many per second, and so many at once. In memory: an object that slept was idle for long enough. */
export class TokenBucket {
  #tokens: number;
  #at = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.#tokens = burst;
  }

  /**
   * Takes tokens, one by default; answers the seconds to wait when there are not so many, else 0.
   * What is more than the burst counts as the burst. `now` in milliseconds.
   */
  take(now: number, count = 1): number {
    const wanted = Math.min(count, this.burst);
    const passed = Math.max(0, now - this.#at) / 1_000;
    this.#tokens = Math.min(this.burst, this.#tokens + passed * this.perSecond);
    this.#at = now;
    if (this.#tokens < wanted) return (wanted - this.#tokens) / this.perSecond;
    this.#tokens -= wanted;
    return 0;
  }

  /** Nothing was taken for so long that it has filled up, but for what was taken just now. */
  get rested(): boolean {
    return this.#tokens >= this.burst - 1;
  }
}

/** The frames of each socket. */
export class FrameRate {
  readonly #sockets = new WeakMap<WebSocket, { bucket: TokenBucket; refused: number }>();

  /**
   * Answers the seconds to wait, 0 for none; and whether this socket has gone on regardless, never
   * pausing, for so long that it should be closed.
   */
  take(socket: WebSocket, now: number): { wait: number; hopeless: boolean } {
    const entry = this.#sockets.get(socket) ?? {
      bucket: new TokenBucket(serverLimits.framesPerSecond, serverLimits.framesBurst),
      refused: 0,
    };
    this.#sockets.set(socket, entry);
    const wait = entry.bucket.take(now);
    if (wait > 0) entry.refused += 1;
    else if (entry.bucket.rested) entry.refused = 0;
    return { wait, hopeless: entry.refused > serverLimits.framesBurst };
  }
}
