/** What waits in the queue `PUSH_QUEUE`: a push to one device that is to be tried again. It holds no credential. */
import type { PushBatch, PushTarget } from "./user-hub/push-rpc";

export interface LaterPush {
  batch: Omit<PushBatch, "devices">;
  target: PushTarget;
  /** Attempts that have been made. */
  attempt: number;
}
