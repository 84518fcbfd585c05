/** Money, as clients read of it. Integers of one millionth of the deployment's currency: micro-units. */

/** What a phone call costs, as the rate card has it. */
export interface CallRate {
  /** ISO 4217. */
  currency: string;
  perMinute: number;
  /** Once, when the call is answered. */
  connectFee: number;
  /** Seconds: each one that was begun is charged. */
  increment: number;
}

/** What a phone call has cost. */
export interface CallCost {
  currency: string;
  amount: number;
}

/** What an account has left: `GET /v1/credits`. */
export interface Credits {
  currency: string;
  balance: number;
}
