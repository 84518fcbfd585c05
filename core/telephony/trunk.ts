/** A trunk: a gateway to the phone network that speaks SIP over secure WebSocket. */
import type { SealedSecret } from "../applications/secret-box";

/** What may be shown of it. */
export interface PublicTrunk {
  name: string;
  /** `wss:`, or `ws:` to this machine. */
  url: string;
  /** For digest authentication. */
  user: string;
  /** The domain in From, and in the address of a number. */
  fromDomain: string;
  /** In From instead of `user`: the number that a phone shows. */
  callerId?: string;
  /** Lower ones are tried first. */
  preference: number;
  /**
   * The numbers that may be called, `+` and digits each, the longest that fits decides; with a `!` in
   * front, those that may not. `["+"]` is all of them but premium-rate ones, which want a prefix of
   * more than their country's.
   */
  prefixes: string[];
  /** The domains that `callSip` may reach through it; `*` for those of the world, and no numbers. */
  domains: string[];
}

/** One that can be dialled with. */
export interface Trunk extends PublicTrunk {
  id: string;
  password: SealedSecret;
}
