/** A service worker's surroundings in memory: its notifications, the app's windows, its cache, what it fetched. */
import type { ShownNotification } from "../notices";
import type { WorkerScope, WorkerWindow } from "../service-worker";

export const origin = "https://app.example";

export interface FakeNotification extends ShownNotification {
  title: string;
  options: { tag?: string; body?: string; data?: unknown; silent?: boolean; actions?: { action: string }[] };
}

export class FakeWindow implements WorkerWindow {
  focused = false;
  /** Loaded after the worker took over. */
  controlled = false;
  /** What it was given. */
  readonly heard: unknown[] = [];

  constructor(
    readonly url: string,
    /** Whether the page wants it; undefined: it does not answer. */
    readonly answer?: (message: unknown) => boolean,
  ) {}

  async focus(): Promise<void> {
    this.focused = true;
  }

  postMessage(message: unknown, [port]: MessagePort[]): void {
    if (!this.answer || !port) return;
    port.onmessage = () => {
      port.close();
      this.heard.push(message);
    };
    port.postMessage(this.answer(message));
  }
}

type Listener = (event: {
  waitUntil(done: Promise<unknown>): void;
  data: { text(): string } | null;
  action: string;
  notification: ShownNotification;
}) => void;

export class FakeWorker {
  readonly shown: FakeNotification[] = [];
  readonly windows: FakeWindow[] = [];
  readonly opened: string[] = [];
  readonly fetched: { url: string; body: unknown }[] = [];
  /** How the server answers, in order, and then with 204; 0: not at all. */
  readonly statuses: number[] = [];
  readonly #listeners = new Map<string, Listener>();

  readonly scope: WorkerScope = {
    location: { origin },
    registration: {
      scope: `${origin}/`,
      showNotification: async (title, options: FakeNotification["options"]) => {
        const { tag } = options;
        this.#take((other) => tag !== undefined && other.options.tag === tag);
        const shown: FakeNotification = {
          title,
          options,
          data: structuredClone(options.data),
          close: () => this.#take((other) => other === shown),
        };
        this.shown.push(shown);
      },
      getNotifications: async ({ tag } = {}) =>
        this.shown.filter(({ options }) => tag === undefined || options.tag === tag),
    },
    clients: {
      matchAll: async ({ includeUncontrolled }) =>
        this.windows.filter(({ controlled }) => controlled || includeUncontrolled),
      openWindow: async (url) => {
        this.opened.push(url);
      },
    },
    fetch: async (url, init) => {
      this.fetched.push({ url, body: JSON.parse(String(init.body)) });
      const status = this.statuses.shift() ?? 204;
      if (status === 0) throw new TypeError("fetch failed");
      return new Response(null, { status });
    },
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    addEventListener: (type: string, listener: unknown) => {
      this.#listeners.set(type, listener as Listener);
    },
  };

  /** What its notifications say, oldest first. */
  get titles(): string[] {
    return this.shown.map(({ title }) => title);
  }

  /** Settles when the worker may go to sleep. */
  async push(text: string | null): Promise<void> {
    await this.#fire("push", { data: text === null ? null : { text: () => text } });
  }

  async click(notification: FakeNotification | undefined, action = ""): Promise<void> {
    if (!notification) throw new Error("There is no such notification.");
    await this.#fire("notificationclick", { notification, action });
  }

  async #fire(type: string, event: Partial<Parameters<Listener>[0]>): Promise<void> {
    const until: Promise<unknown>[] = [];
    this.#listeners.get(type)?.({
      data: null,
      action: "",
      notification: { data: null, close() {} },
      ...event,
      waitUntil: (done) => until.push(done),
    });
    await Promise.all(until);
  }

  #take(which: (shown: FakeNotification) => boolean): void {
    for (const gone of this.shown.filter(which)) this.shown.splice(this.shown.indexOf(gone), 1);
  }
}

/** `caches`, as much of it as is used. */
export class FakeCaches {
  readonly #caches = new Map<string, Map<string, string>>();

  async open(name: string) {
    const entries = this.#caches.get(name) ?? new Map<string, string>();
    this.#caches.set(name, entries);
    return {
      put: async (path: string, response: Response) => {
        entries.set(path, await response.text());
      },
      keys: async () => [...entries.keys()],
      match: async (path: string) => {
        const text = entries.get(path);
        return text === undefined ? undefined : new Response(text);
      },
      delete: async (path: string) => entries.delete(path),
    };
  }
}
