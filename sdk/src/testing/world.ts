/** Clients, a server and a network between them that a test holds in its hand. Needs fake timers. */
import { vi } from "vitest";
import type { CarillonStorage, Socket, SocketClass } from "..";
import { CarillonClient } from "../client";
import type { CarillonClientOptions } from "../client-types";
import * as conferenceEngine from "../conference/engine";
import type { Page } from "../runtime";
import { FakeServer } from "./server";
import { FakeTabs } from "./tabs";
import { type FakePeerConnection, FakeWebRtc } from "./webrtc";

const latencyMs = 1;
export const applicationKey = "196087a1-e815-4bc4-8984-60d8d8a43f1d";

export class FakePage implements Page {
  visible = true;
  readonly #listeners = new Map<string, Set<() => void>>();

  hidden(): boolean {
    return !this.visible;
  }

  on(event: string, listener: () => void): () => void {
    const set = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, set.add(listener));
    return () => set.delete(listener);
  }

  fire(event: "visible" | "hidden" | "online" | "close"): void {
    if (event === "visible" || event === "hidden") this.visible = event === "visible";
    for (const listener of this.#listeners.get(event) ?? []) listener();
  }
}

/** One page or process: when it is killed, nothing of it does anything any more. */
interface Tab {
  alive: boolean;
  sockets: { vanish(): void }[];
}

/** One device: its sockets, its page, its WebRTC, and what it asked over HTTP. */
export class Device {
  readonly page = new FakePage();
  readonly media: FakeWebRtc;
  readonly sockets: { cut(code?: number): void; open: boolean }[] = [];
  readonly requests: { method: string; path: string; body: Record<string, unknown> }[] = [];
  readonly stored = new Map<string, string>();
  /** What was written since the test has last looked. */
  readonly writes: string[] = [];
  /** So long takes each access to the storage. */
  storageMs = 0;
  /** So long takes each request over HTTP. */
  httpMs = 0;
  /** How the storage fails, if it does. */
  storageFailure: Error | undefined;
  loadConference = async () => conferenceEngine;
  readonly #tabs: FakeTabs;
  readonly #pages = new Map<CarillonClient, Tab>();
  /** `up`, `down` (connecting fails), or `silent` (nothing comes through, and nobody is told). */
  network: "up" | "down" | "silent" = "up";
  http: (path: string, body: Record<string, unknown>) => { status: number; body?: object } = (path, body) =>
    path.startsWith("/v1/instances")
      ? { status: 201, body: instance(String(body.userId ?? this.userId)) }
      : { status: 204 };

  constructor(
    readonly world: World,
    readonly userId: string,
    /** Another device in the same browser, though it shares no storage. */
    beside?: Device,
  ) {
    this.#tabs = beside ? beside.#tabs : new FakeTabs();
    this.media = new FakeWebRtc(world.peers);
  }

  client(options: Partial<CarillonClientOptions> = {}): CarillonClient {
    const tab: Tab = { alive: true, sockets: [] };
    const client = new CarillonClient({
      applicationKey,
      userId: this.userId,
      environmentHost: "calls.example",
      storage: this.#storageOf(tab),
      webrtc: this.media.webrtc,
      fetch: (url, init) => this.#fetch(url, init),
      WebSocket: this.#socketClass(tab),
      runtime: {
        page: this.page,
        uuid: () => this.world.uuid(),
        random: () => 0.5,
        locks: this.#tabs.locks(tab),
        tabs: (_, hear) => this.#tabs.channel(tab, hear),
        loadConference: () => this.loadConference(),
      },
      ...options,
    });
    this.#pages.set(client, tab);
    client.on("credentialsRequired", (registration) => registration.register({ token: "jwt" }));
    return client;
  }

  async started(options?: Partial<CarillonClientOptions>): Promise<CarillonClient> {
    return this.start(this.client(options));
  }

  async start(client: CarillonClient): Promise<CarillonClient> {
    const started = client.start();
    await vi.advanceTimersByTimeAsync(20);
    await started;
    client.startListeningOnActiveConnection();
    await vi.advanceTimersByTimeAsync(5);
    return client;
  }

  /** Cuts the last socket; what is on its way is lost. */
  cut(code = 1006): void {
    this.sockets.at(-1)?.cut(code);
  }

  /** The page is gone, without a word to anybody. */
  kill(client: CarillonClient): void {
    const tab = this.#pages.get(client);
    if (!tab) throw new Error("No page of this device.");
    tab.alive = false;
    for (const socket of tab.sockets) socket.vanish();
    this.#tabs.gone(tab);
  }

  #storageOf(tab: Tab): CarillonStorage {
    const access = async <T>(use: () => T): Promise<T> => {
      if (this.storageMs > 0) await new Promise((resolve) => setTimeout(resolve, this.storageMs));
      if (!tab.alive) return new Promise(() => {});
      if (this.storageFailure) throw this.storageFailure;
      return use();
    };
    return {
      get: (key) => access(() => this.stored.get(key)),
      set: (key, value) =>
        access(() => {
          this.writes.push(key);
          this.stored.set(key, value);
        }),
      delete: (key) => access(() => this.stored.delete(key)),
    };
  }

  async #fetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname, search } = new URL(url);
    const path = pathname + search;
    const body = init.body ? (JSON.parse(String(init.body)) as Record<string, unknown>) : {};
    this.requests.push({ method: init.method ?? "GET", path, body });
    if (this.network !== "up") throw new TypeError("fetch failed");
    if (this.httpMs > 0) await new Promise((resolve) => setTimeout(resolve, this.httpMs));
    const answer = this.http(path, body);
    return new Response(answer.body ? JSON.stringify(answer.body) : null, {
      status: answer.status,
      headers: { "content-type": "application/json" },
    });
  }

  #socketClass(tab: Tab): SocketClass {
    const device = this;
    return class implements Socket {
      readyState = 0;
      onopen: Socket["onopen"] = null;
      onmessage: Socket["onmessage"] = null;
      onclose: Socket["onclose"] = null;
      onerror: Socket["onerror"] = null;
      #end: ReturnType<FakeServer["accept"]> | undefined;

      constructor(_url: string, protocols: string[]) {
        const token = (protocols[1] ?? "").replace("token.", "");
        setTimeout(() => {
          if (device.network === "silent" || !tab.alive || this.readyState !== 0) return;
          if (device.network === "down") return this.#closed(1006);
          this.readyState = 1;
          const socket = this;
          device.sockets.push({
            cut: (code = 1006) => this.#closed(code),
            get open() {
              return socket.readyState === 1;
            },
          });
          tab.sockets.push({ vanish: () => this.close() });
          this.#end = device.world.server.accept(token, {
            send: (text) => this.#later(() => this.onmessage?.({ data: text } as never)),
            close: (code) => this.#later(() => this.#closed(code)),
          });
          this.onopen?.(undefined as never);
        }, latencyMs);
      }

      send(text: string): void {
        this.#later(() => this.#end?.receive(text));
      }

      close(): void {
        this.readyState = 3;
        this.#end?.gone();
      }

      #later(deliver: () => void): void {
        if (device.network === "silent") return;
        setTimeout(() => {
          if (this.readyState === 1 && device.network !== "silent") deliver();
        }, latencyMs);
      }

      #closed(code: number): void {
        if (this.readyState === 3) return;
        this.readyState = 3;
        this.#end?.gone();
        this.onclose?.({ code } as never);
      }
    };
  }
}

export class World {
  readonly server = new FakeServer();
  readonly peers = new Set<FakePeerConnection>();
  #uuids = 0;

  device(userId: string, beside?: Device): Device {
    return new Device(this, userId, beside);
  }

  uuid(): string {
    this.#uuids += 1;
    return `00000000-0000-4000-8000-${String(this.#uuids).padStart(12, "0")}`;
  }

  /** Time goes by. */
  async pass(ms: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(ms);
  }
}

export function instance(userId: string, lifeMs = 30 * 86_400_000, instanceId = "instance") {
  return {
    instanceId,
    instanceToken: `${userId}:${instanceId}`,
    expiresAt: new Date(Date.now() + lifeMs).toISOString(),
  };
}
