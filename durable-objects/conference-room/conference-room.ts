import { DurableObject } from "cloudflare:workers";
import { fail, type Result } from "../../protocol";
import type { Env } from "../env";
import type { DeliveryResult } from "../user-hub/rpc";
import type { Callout, Command, Join, Joined, ListedParticipant, RoomAddress, RoomDelivery } from "./rpc";

/** One conference. */
export class ConferenceRoom extends DurableObject<Env> {
  /** A test may set the time. */
  clock = (): number => Date.now();

  /** Takes a participant in. Errors: conferenceFull, sfuMissing, unavailable (the SFU cannot be reached). */
  async join(_join: Join): Promise<Result<Joined>> {
    return fail("unavailable");
  }

  /** What has happened in a participant's call. `connected`: the room's connection, while it knows the participant. */
  async deliver(_delivery: RoomDelivery): Promise<DeliveryResult> {
    return { available: [], connected: [] };
  }

  /** Calls somebody. Errors: conferenceFull, hostMissing, rateLimited, conflict (the id is in use). */
  async callOut(_callout: Callout): Promise<Result<{ callId: string }>> {
    return fail("unavailable");
  }

  /** Who is in. Errors: notFound (nobody is). */
  async list(_room: RoomAddress): Promise<Result<ListedParticipant[]>> {
    return fail("notFound");
  }

  /** Errors: notFound. */
  async command(_room: RoomAddress, _callId: string, _command: Command): Promise<Result<null>> {
    return fail("notFound");
  }

  /** Ends a participant's call, or the one that is to bring somebody in. Errors: notFound. */
  async kick(_room: RoomAddress, _callId: string): Promise<Result<null>> {
    return fail("notFound");
  }

  /** Ends them all. Errors: notFound. */
  async kickAll(_room: RoomAddress): Promise<Result<null>> {
    return fail("notFound");
  }
}
