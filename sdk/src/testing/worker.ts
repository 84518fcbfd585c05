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
  readonly heard: unknown[] = [];

  constructor(
    readonly url: string,
    /** What the page answers; undefined: nothing. */
    readonly answer?: (message: unknown) => boolean,
  ) {}

  async focus(): Promise<void> {
    this.focused = true;
  }

  postMessage(message: unknown, [port]: MessagePort[]): void {
    this.heard.push(message);
    if (this.answer) port?.postMessage(this.answer(message));
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
      matchAll: async () => [...this.windows],
      openWindow: async (url) => {
        this.opened.push(url);
      },
    },
    fetch: async (url, init) => {
      this.fetched.push({ url, body: JSON.parse(String(init.body)) });
      return new Response(null, { status: 204 });
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
  readonly #entries = new Map<string, string>();

  async open() {
    return {
      put: async (path: string, response: Response) => {
        this.#entries.set(path, await response.text());
      },
      keys: async () => [...this.#entries.keys()],
      match: async (path: string) => {
        const text = this.#entries.get(path);
        return text === undefined ? undefined : new Response(text);
      },
      delete: async (path: string) => this.#entries.delete(path),
    };
  }
}
