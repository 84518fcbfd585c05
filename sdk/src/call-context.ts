import type { CallHeaders, CallStatistics, CallTimes } from "../../protocol";
import type { AudioController } from "./audio";
import type { Call } from "./call";
import type { CallDirection } from "./call-types";
import type { CarillonClientOptions } from "./client-types";
import type { Connection } from "./connection";
import type { Devices } from "./devices";
import type { IceServers } from "./ice-servers";
import type { Log } from "./log";
import type { Runtime, WebRtc } from "./runtime";

/** What a call needs of the client. */
export interface CallContext {
  runtime: Runtime;
  log: Log;
  webrtc: WebRtc | undefined;
  devices: Devices;
  ice: IceServers;
  audio: AudioController;
  connection: Connection;
  options: CarillonClientOptions;
  serverNow(): number;
  /** @throws CarillonError when the client is not started. */
  mustRun(): void;
  /** The app is in front, or may take calls in the background. */
  inFront(): boolean;
  /** The other side asks this one to call `to` instead. */
  transferred(call: Call, to: string): void;
  ended(call: Call, statistics: CallStatistics): void;
}

/** What is known of a call from its first moment. */
export interface CallStart {
  direction: CallDirection;
  /** What the caller calls, if that is no user. */
  line?: "phone" | "sip";
  /** The conference on the other side, if it is one. */
  conference?: string;
  remoteUserId: string;
  remoteDisplayName?: string;
  headers: CallHeaders;
  video: boolean;
  times: CallTimes;
  ringSeconds?: number;
  /** Where the app was when a push told of it. */
  receivedIn?: "active" | "background";
}
