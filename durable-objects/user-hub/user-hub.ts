import { DurableObject } from "cloudflare:workers";
import type { Result } from "../../protocol";
import type { Env } from "../env";
import type { InstanceInfo, NewInstance, Presence } from "./rpc";

// Replaced by the real one; the signatures below are what the edge calls.
export class UserHub extends DurableObject<Env> {
  /** Errors: replayed, userBlocked, conflict (too many instances). */
  async register(_instance: NewInstance): Promise<Result<{ instanceId: string }>> {
    throw new Error("not yet");
  }
  /** Errors: instanceRevoked, userBlocked. `expires`: the instance's own expiry, if it has one. */
  async renew(_instanceId: string, _reference: string): Promise<Result<{ expires?: number }>> {
    throw new Error("not yet");
  }
  /** Revokes one instance, or all ("*"); sockets are closed with 4401 at once. Answers how many. */
  async revoke(_instanceId: string, _reference: string): Promise<number> {
    throw new Error("not yet");
  }
  /** Is this instance known and not revoked or expired? Errors: instanceRevoked, userBlocked. */
  async check(_instanceId: string): Promise<Result<null>> {
    throw new Error("not yet");
  }
  async setBlocked(_blocked: boolean, _reference: string): Promise<void> {
    throw new Error("not yet");
  }
  async presence(): Promise<Presence & { known: boolean; blocked: boolean }> {
    throw new Error("not yet");
  }
  async instances(): Promise<InstanceInfo[]> {
    throw new Error("not yet");
  }
  /** ICE servers for this user, cached. */
  async iceServers(_reference: string): Promise<Result<import("../../protocol").IceServersResult>> {
    throw new Error("not yet");
  }
}
