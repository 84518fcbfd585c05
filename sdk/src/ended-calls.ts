/** Calls that are over, or were answered here, so that a push which comes late, or twice, does not make them ring again. */
import { limits } from "../../protocol";

const cacheName = "carillon-ended";
/** Not to be fetched by anybody: only a name in the cache. */
const pathPrefix = "/carillon-ended/";

/** How far a device's clock may be from the server's. */
export const clockErrorMs = 5 * 60_000;
/** As long as a push could still make it ring. */
const keepMs = limits.ringSecondsMax * 1_000 + clockErrorMs;

/** Kept in the cache, too: a service worker is stopped between two pushes. */
export class EndedCalls {
  /** What ended them, if a push did. */
  readonly #ended = new Map<string, string | undefined>();

  /** Known at once, to whatever shows the call meanwhile. */
  async add(callId: string, sin?: string): Promise<void> {
    this.#ended.set(callId, sin);
    try {
      const cache = await caches.open(cacheName);
      for (const former of await cache.keys()) {
        const until = Number(await (await cache.match(former))?.text());
        if (until < Date.now()) await cache.delete(former);
      }
      await cache.put(pathPrefix + callId, new Response(String(Date.now() + keepMs)));
    } catch {
      // No room: it is forgotten when the worker is stopped.
    }
  }

  /** Of those that have ended since this worker was started. */
  now(callId: string): boolean {
    return this.#ended.has(callId);
  }

  sinOf(callId: string): string | undefined {
    return this.#ended.get(callId);
  }

  /** Of those that an earlier worker, or a page, knew of, too. */
  async has(callId: string): Promise<boolean> {
    try {
      const cache = await caches.open(cacheName);
      return (await cache.match(pathPrefix + callId)) !== undefined;
    } catch {
      return false;
    }
  }
}
