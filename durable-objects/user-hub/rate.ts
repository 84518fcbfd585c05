import { limits } from "../../protocol";

interface Bucket {
  tokens: number;
  at: number;
  refused: number;
}

/** A token bucket per socket, in memory: an object that slept has been idle long enough to start full. */
export class FrameRate {
  readonly #buckets = new WeakMap<WebSocket, Bucket>();

  /**
   * Takes one token. Answers the seconds to wait when there is none, else 0; and whether this
   * socket has gone on regardless, never pausing, for so long that it should be closed.
   */
  take(socket: WebSocket, now: number): { wait: number; hopeless: boolean } {
    const bucket = this.#buckets.get(socket) ?? { tokens: limits.framesBurst, at: now, refused: 0 };
    const refilled = bucket.tokens + ((now - bucket.at) / 1_000) * limits.framesPerSecond;
    bucket.tokens = Math.min(limits.framesBurst, refilled);
    bucket.at = now;
    this.#buckets.set(socket, bucket);
    if (bucket.tokens === limits.framesBurst) bucket.refused = 0;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return { wait: 0, hopeless: false };
    }
    bucket.refused += 1;
    return {
      wait: (1 - bucket.tokens) / limits.framesPerSecond,
      hopeless: bucket.refused > limits.framesBurst,
    };
  }
}
