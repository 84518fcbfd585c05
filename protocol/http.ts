/** The HTTP bodies that the SDK sends and reads. */
import type { EndCause } from "./frames";

/** `POST /v1/instances`: scheme 2 (`signature`, `sequence`) or scheme 3 (`token`). */
export type RegistrationRequest = { applicationKey: string; userId: string; deviceId?: string } & (
  | { signature: string; sequence: number | string }
  | { token: string }
);

/** 201 of `POST /v1/instances`, 200 of `POST /v1/instances/renew`. */
export interface RegistrationResult {
  instanceId: string;
  instanceToken: string;
  /** ISO 8601. */
  expiresAt: string;
}

/** One party's view of a call: `POST /v1/statistics`, authorized by the instance token. */
export interface CallStatistics {
  callId: string;
  /** The application that the call belongs to, when that is not the party's own. */
  origin?: string;
  direction: "outgoing" | "incoming";
  endCause: EndCause;
  errorCode?: number;
  /** Milliseconds from the start of the call, on the client's clock. */
  setup: { ringing?: number; answered?: number; established?: number; ended: number };
  /** From answer() or the answered event to the first media packet, milliseconds. */
  mediaAfterAnswer?: number;
  roundTripMs?: number;
  jitterMs?: number;
  /** 0 to 1, of the packets that should have arrived. */
  lossRatio?: number;
  audioKbps?: number;
  videoKbps?: number;
  audioCodec?: string;
  videoCodec?: string;
  localCandidate?: string;
  remoteCandidate?: string;
  /** Estimated mean opinion score, 1 to 4.5 (ITU-T G.107, simplified). */
  mos?: number;
  userAgent: string;
  sdk: string;
}
