/** Something like a process: what the SDK has of its surroundings, all of which ends when it is killed. */
import type { ClientFrame, ServerFrame } from "../../protocol";
import type { CarillonClientOptions, SocketClass } from "../../sdk/src/index";
import { pause } from "./random";

/** Sees what goes over the sockets of a process, before the SDK does. */
export interface Wire {
  said(frame: ClientFrame): void;
  heard(frame: ServerFrame): void;
}

export class Process {
  /** Settles when it has been killed. */
  readonly dead: Promise<void>;
  #alive = true;
  #died = () => {};
  #socket: WebSocket | undefined;
  #storing: Promise<unknown> = Promise.resolve();
  readonly #online = new Set<() => void>();

  constructor(
    private readonly stored: Map<string, string>,
    private readonly wire: Wire,
    private readonly random: () => number,
    /** Whether there is a network. */
    private readonly network: () => boolean,
  ) {
    this.dead = new Promise((resolve) => {
      this.#died = resolve;
    });
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** For a client that runs in this process. */
  get options(): Pick<CarillonClientOptions, "storage" | "WebSocket" | "runtime"> {
    return {
      storage: {
        get: (key) => this.#stores(() => this.stored.get(key)),
        set: (key, value) => this.#stores(() => this.stored.set(key, value)),
        delete: (key) => this.#stores(() => this.stored.delete(key)),
      },
      WebSocket: this.#sockets(),
      runtime: {
        random: this.random,
        // It is alone with its storage: two devices of a user are not two tabs.
        locks: undefined,
        tabs: () => undefined,
        setTimeout: (callback, ms) => setTimeout(() => this.#alive && callback(), ms),
        fetch: async (url, init) => {
          const answer = await fetch(url, init);
          return this.#unlessDead(() => answer);
        },
        page: {
          hidden: () => false,
          on: (event, listener) => {
            if (event === "online") this.#online.add(listener);
            return () => this.#online.delete(listener);
          },
        },
      },
    };
  }

  /** `kill -9`: what was not stored by now is not stored any more. */
  kill(): void {
    this.#alive = false;
    this.#online.clear();
    this.#cut();
    this.#died();
  }

  /** The network goes: what was on its way to here is lost. */
  drop(): void {
    this.#cut()?.(new CloseEvent("close", { code: 1006 }));
  }

  /** The network is there again. */
  online(): void {
    for (const listener of this.#online) listener();
  }

  /** Answers who wanted to know that the socket is closed. */
  #cut() {
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    const { onclose } = socket;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
    return onclose?.bind(socket);
  }

  /** Takes a while, one thing after the other. Whoever is dead by then never hears of it. */
  #stores<T>(run: () => T): Promise<T> {
    const stored = this.#storing.then(async () => {
      await pause(this.random() * 8);
      return this.#unlessDead(run);
    });
    this.#storing = stored;
    return stored;
  }

  #unlessDead<T>(run: () => T): T | Promise<T> {
    return this.#alive ? run() : new Promise<T>(() => {});
  }

  #sockets(): SocketClass {
    const { wire } = this;
    const opened = (socket: WebSocket) => {
      if (this.network()) this.#socket = socket;
      else socket.close();
    };
    return class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols);
        opened(this);
        this.addEventListener("message", ({ data }) => {
          // Not what comes to a socket that was cut.
          if (this.onmessage && data !== "pong") wire.heard(JSON.parse(String(data)) as ServerFrame);
        });
      }

      override send(data: string): void {
        if (data !== "ping") wire.said(JSON.parse(data) as ClientFrame);
        super.send(data);
      }
    } as SocketClass;
  }
}
