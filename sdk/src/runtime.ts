import type { CarillonClientOptions } from "./client-types";
import type * as ConferenceEngine from "./conference/engine";
import { type Locks, openTabChannel, type TabChannel } from "./tabs";

/** What a {@link Runtime} needs of a WebSocket. */
export interface Socket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: { data: unknown } & never) => void) | null;
  onclose: ((event: { code: number } & never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
}

/** `WebSocket`, or another class that can do the same. */
export type SocketClass = new (url: string, protocols: string[]) => Socket;

/** The page, or the app, that the SDK runs in. Somewhere without pages nothing ever happens to it. */
export interface Page {
  hidden(): boolean;
  /** Returns what takes the listener away. */
  on(event: "visible" | "hidden" | "online" | "network" | "close", listener: () => void): () => void;
}

export type Timer = ReturnType<typeof setTimeout>;

/** Everything that the SDK takes from its surroundings, so that a test can hold it. */
export interface Runtime {
  /** Milliseconds since 1970. */
  now(): number;
  /** 0 to 1. */
  random(): number;
  uuid(): string;
  setTimeout(callback: () => void, ms: number): Timer;
  clearTimeout(timer: Timer | undefined): void;
  fetch(url: string, init: RequestInit): Promise<Response>;
  WebSocket: SocketClass | undefined;
  page: Page;
  /** Web Locks, where tabs share the storage. */
  locks: Locks | undefined;
  /** Undefined where there are no tabs. */
  tabs(name: string, hear: (message: unknown) => void): TabChannel | undefined;
  /** The part of the SDK that a page without conferences does not load, if not from where it is. */
  loadConference?(): Promise<typeof ConferenceEngine>;
}

/** What WebRTC is, for runtimes that have none in `globalThis`: react-native-webrtc, node-datachannel. */
export interface WebRtc {
  RTCPeerConnection: new (configuration: RTCConfiguration) => RTCPeerConnection;
  MediaStream: new (tracks?: MediaStreamTrack[]) => MediaStream;
  mediaDevices: Pick<MediaDevices, "getUserMedia"> & Partial<MediaDevices>;
}

/** The surroundings as they are; looked up at each use, so that importing touches nothing. */
export function defaultRuntime(given: CarillonClientOptions): Runtime {
  const { random = Math.random } = given.runtime ?? {};
  return {
    now: () => Date.now(),
    random,
    uuid: () => globalThis.crypto?.randomUUID?.() ?? makeUuid(random),
    setTimeout: (callback, ms) => setTimeout(callback, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    fetch: given.fetch ?? ((url, init) => fetch(url, init)),
    WebSocket: given.WebSocket ?? (globalThis.WebSocket as SocketClass | undefined),
    page: browserPage(),
    locks: globalThis.navigator?.locks as Locks | undefined,
    tabs: openTabChannel,
    ...given.runtime,
  };
}

/** WebRTC of the browser, or undefined where there is none. */
export function defaultWebRtc(): WebRtc | undefined {
  const { RTCPeerConnection, MediaStream } = globalThis;
  const mediaDevices = globalThis.navigator?.mediaDevices;
  return RTCPeerConnection && mediaDevices ? { RTCPeerConnection, MediaStream, mediaDevices } : undefined;
}

/** `host[:port]` of this very machine. */
export function isLocal(host: string): boolean {
  return /^(localhost|127\.0\.0\.1)(:|$)/.test(host);
}

/** `environmentHost` as a URL, without a slash at its end. */
export function baseUrlOf(environmentHost: string): string {
  const host = environmentHost.replace(/\/+$/, "");
  return /^https?:\/\//.test(host) ? host : `http${isLocal(host) ? "" : "s"}://${host}`;
}

/** RFC 9562, version 4: `crypto.randomUUID` is missing on http:// pages. */
function makeUuid(random: () => number): string {
  return "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => Math.floor(random() * 16).toString(16));
}

/** RFC 9562, version 7: begins with the time, so that the records of calls are in order. */
export function timedUuid({ now, uuid }: Pick<Runtime, "now" | "uuid">): string {
  const time = Math.floor(now()).toString(16).padStart(12, "0");
  return `${time.replace(/.{8}/, "$&-")}-7${uuid().slice(15)}`;
}

function browserPage(): Page {
  const document = globalThis.document as Document | undefined;
  const navigator = globalThis.navigator as { connection?: EventTarget } | undefined;
  const listen = (target: EventTarget | undefined, name: string, listener: (event: Event) => void) => {
    target?.addEventListener?.(name, listener);
    return () => target?.removeEventListener?.(name, listener);
  };
  return {
    hidden: () => document?.visibilityState === "hidden",
    on(event, listener) {
      if (event === "online") return listen(globalThis, event, listener);
      if (event === "network") return listen(navigator?.connection, "change", listener);
      if (event === "close") {
        return listen(globalThis, "pagehide", (pagehide) => {
          // A page in the back/forward cache may come back: it is not closed.
          if (!(pagehide as PageTransitionEvent).persisted) listener();
        });
      }
      return listen(document, "visibilitychange", () => {
        if (document?.visibilityState === event) listener();
      });
    },
  };
}
