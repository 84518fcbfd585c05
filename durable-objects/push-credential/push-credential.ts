import { DurableObject } from "cloudflare:workers";
import { fail } from "../../protocol";
import type { Env } from "../env";
import type { ProviderToken, ProviderTokenRequest } from "./rpc";

/** One key of a provider: the token that is made with it, however many ask. */
export class PushCredential extends DurableObject<Env> {
  async token(_request: ProviderTokenRequest): Promise<ProviderToken> {
    return fail("unavailable");
  }
}
