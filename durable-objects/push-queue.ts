/** What waits in the queue `PUSH_QUEUE`: a push that is to be tried again. It holds no credential. */
import type { PushBatch } from "./user-hub/push-rpc";

export interface LaterPush {
  /** For one device. */
  batch: PushBatch;
  /** Attempts that have been made. */
  attempt: number;
}
