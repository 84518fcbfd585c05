/** What a hub asks of the Worker that sends its pushes, and what that tells the hub. */
import type { PushContent } from "../../core/push/content";
import type { PushDevice } from "../../protocol";
import type { UserAddress } from "./rpc";

/** A push for devices of one user; at most {@link pushBatchSize} of them. */
export interface PushBatch {
  user: UserAddress;
  /** Whose credentials it goes with: the caller's application, or the user's own. */
  application: string;
  /** Names the push in the hub: to be given back in {@link PushReport}. */
  push: string;
  content: PushContent;
  devices: PushTarget[];
  reference: string;
}

export interface PushTarget {
  instanceId: string;
  device: PushDevice;
  /** When it was registered, milliseconds since 1970: a report is about this registration and no later one. */
  registered: number;
}

/** On the smallest plan a request may ask 50 others: one for each, and a few for credentials and reports. */
export const pushBatchSize = 40;

/** The hub's way to the entrypoint `PushSender`, which answers at once and goes on by itself. */
export interface PushSending {
  send(batch: PushBatch): Promise<void>;
}

/**
 * The outcome of first attempts, or of later ones, to the hub: `UserHub.pushed()`. It answers the
 * instances whose token it has dropped.
 */
export interface PushReport {
  push: string;
  results: PushResult[];
  reference: string;
}

export interface PushResult {
  instanceId: string;
  /**
   * `sent`; `later`: the queue has it; `dead`: the device is to be dropped, if it still has this
   * token; `failed`: nothing more will be tried.
   */
  result: "sent" | "later" | "dead" | "failed";
  /**
   * Of `dead`: the token or endpoint, the registration that it was of, and when it went (milliseconds
   * since 1970), where the provider says.
   */
  token?: string;
  registered?: number;
  since?: number;
}

/** Before a later attempt: `UserHub.pushWanted()` gives the target as it is now, or null: nobody wants it any more. */
export interface PushQuestion {
  push: string;
  content: PushContent;
  instanceId: string;
}
