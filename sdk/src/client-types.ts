import type { CarillonError } from "./errors";
import type { LogMessage } from "./log";
import type { Registration } from "./registration";
import type { Runtime, SocketClass, WebRtc } from "./runtime";
import type { CarillonStorage } from "./storage";

export interface CarillonClientOptions {
  /** A lowercase GUID. */
  applicationKey: string;
  /** 1 to 40 characters, printable ASCII. */
  userId: string;
  /** `host[:port]` of the deployment, or `http(s)://host[:port]`. Without a scheme: https, but http for localhost. */
  environmentHost: string;
  /** Development only: whoever has the page has the secret. */
  applicationSecret?: string;
  /** Shown to those whom this user calls; at most 128 bytes. */
  displayName?: string;
  /** The app's own name for this device, at most 64 characters. */
  deviceId?: string;
  /** Media only through the relay: nobody learns this side's address. */
  forceRelay?: boolean;
  /** Open the microphone while a call rings, where it is allowed already: the first word is never lost. */
  prewarmMicrophone?: boolean;
  /**
   * How much sound a packet that this side sends holds, milliseconds. 10, the default, is heard 10 ms
   * sooner; 20 sends half as many packets, about 16 kbit/s less.
   */
  audioPacketMs?: 10 | 20;
  /** Where the instance's credentials and messages that wait are kept; IndexedDB by default. */
  storage?: CarillonStorage;
  /** For runtimes without WebRTC of their own. */
  webrtc?: WebRtc;
  fetch?: Runtime["fetch"];
  WebSocket?: SocketClass;
  /** @internal For tests. */
  runtime?: Partial<Runtime>;
}

export interface ClientEvents {
  /** @internal */
  starting: undefined;
  started: undefined;
  stopped: undefined;
  /** `start()` failed, or the connection is gone for good. */
  failed: CarillonError;
  /** The user is not registered on this device: get a signature or a token from your server. */
  credentialsRequired: Registration;
  logMessage: LogMessage;
  /** The active connection went or came back; it does so by itself. */
  connection: { online: boolean };
}
