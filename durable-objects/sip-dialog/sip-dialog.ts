import { DurableObject } from "cloudflare:workers";
import type { Trunk } from "../../core/telephony/trunk";
import type { Env } from "../env";
import type { Delivery, DeliveryResult } from "../user-hub/rpc";
import type { Dial, TrunkCheck } from "./rpc";

/** One SIP leg. */
export class SipDialog extends DurableObject<Env> {
  async dial(_dial: Dial): Promise<void> {}

  /** Events of the call for this leg. */
  async deliver(_delivery: Delivery): Promise<DeliveryResult> {
    return { available: [], connected: [] };
  }

  /** Asks a trunk for its OPTIONS. */
  async check(_applicationKey: string, _trunk: Trunk): Promise<TrunkCheck> {
    return { reachable: false };
  }
}
