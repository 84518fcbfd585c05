/** What became of one attempt to push to one device. */
export type PushOutcome =
  /** The provider has taken it. */
  | { kind: "sent" }
  /** The token is good for nothing any more: drop it. `since`: when it went, milliseconds since 1970, where the provider says. `ofProject`: only if the token is of the Firebase project that was pushed with. */
  | { kind: "dead"; reason: string; since?: number; ofProject?: true }
  /** The application's credential is missing or was refused: worth a later try, once somebody has mended it. `token`: only the token that was made with it was refused, another may do at once. `missing`: the application has none for this device, or one of another Firebase project. */
  | { kind: "credential"; reason: string; token?: true; missing?: true }
  /** Too much at a time. `retryAfter`: seconds, where the provider says. */
  | { kind: "throttled"; reason: string; retryAfter?: number }
  /** The provider is down, cannot be reached, or did not answer. */
  | { kind: "temporary"; reason: string; retryAfter?: number }
  /** We sent what the provider does not understand: trying again does not help. */
  | { kind: "fault"; reason: string };
