/** Web Locks and BroadcastChannel among the tabs of one device. */
import type { Locks, TabChannel } from "../tabs";

interface Request {
  tab: object;
  name: string;
  run(): Promise<unknown>;
  reject(reason: unknown): void;
}

/** As the browser's: in the order of the requests, given back when a tab is gone, and stolen. */
export class FakeTabs {
  readonly #held = new Map<string, Request>();
  #waiting: Request[] = [];
  readonly #gone = new Set<object>();
  readonly #channels = new Map<object, (message: unknown) => void>();

  locks(tab: object): Locks {
    return {
      request: <T>(
        name: string,
        { signal, steal }: { signal?: AbortSignal; steal?: boolean },
        run: () => Promise<T>,
      ) =>
        new Promise<T>((resolve, reject) => {
          if (this.#gone.has(tab)) return;
          const request = { tab, name, run: () => run().then(resolve, reject), reject };
          if (steal) {
            this.#held.get(name)?.reject(new DOMException("Stolen", "AbortError"));
            this.#held.delete(name);
            this.#waiting.unshift(request);
          } else this.#waiting.push(request);
          signal?.addEventListener("abort", () => {
            if (!this.#waiting.includes(request)) return;
            this.#waiting = this.#waiting.filter((other) => other !== request);
            reject(signal.reason);
          });
          this.#grant();
        }),
    };
  }

  channel(tab: object, hear: (message: unknown) => void): TabChannel {
    this.#channels.set(tab, hear);
    return {
      post: (message) => {
        const copy = structuredClone(message);
        for (const [other, tell] of this.#channels) if (other !== tab) queueMicrotask(() => tell(copy));
      },
      close: () => this.#channels.delete(tab),
    };
  }

  /** It is gone without a word. */
  gone(tab: object): void {
    this.#gone.add(tab);
    this.#waiting = this.#waiting.filter((request) => request.tab !== tab);
    for (const [name, request] of this.#held) if (request.tab === tab) this.#held.delete(name);
    this.#channels.delete(tab);
    this.#grant();
  }

  #grant(): void {
    for (const request of [...this.#waiting]) {
      if (this.#held.has(request.name)) continue;
      this.#held.set(request.name, request);
      this.#waiting = this.#waiting.filter((other) => other !== request);
      queueMicrotask(() =>
        request.run().finally(() => {
          if (this.#held.get(request.name) !== request) return;
          this.#held.delete(request.name);
          this.#grant();
        }),
      );
    }
  }
}
