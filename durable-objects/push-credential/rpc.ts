/** What the sender of pushes asks of a `PushCredential`. */
import type { ApnsCredential, FcmCredential } from "../../core/push/credentials";
import type { Result } from "../../protocol";

export interface ProviderTokenRequest {
  /** Never stored here: the object only remembers the token. */
  credential: ApnsCredential | FcmCredential;
  /** The provider has refused this one: another is wanted, if one may be made. */
  refused?: string;
  reference: string;
}

/** Errors: invalidValue (the key is refused by the provider, with what it said), unavailable. */
export type ProviderToken = Result<{ token: string /** Milliseconds since 1970. */; goodUntil: number }>;
