/** What a phone call costs: integers only, micro-units and milliseconds. */

/** A line of the rate card. */
export interface Rate {
  /** Digits, without the +. */
  prefix: string;
  name: string;
  /** Micro-units. */
  perMinute: number;
  /** Micro-units, once, when the call is answered. */
  connectFee: number;
  /** Seconds: each one that was begun is charged. */
  increment: number;
}

/** Of one increment: a fraction of a micro-unit is a whole one. */
export function incrementPrice({ perMinute, increment }: Rate): number {
  return Math.ceil((perMinute * increment) / 60);
}

/** What a call of so many milliseconds, from the answer, costs. */
export function costOf(rate: Rate, duration: number): number {
  const increments = Math.max(1, Math.ceil(duration / (rate.increment * 1_000)));
  return rate.connectFee + increments * incrementPrice(rate);
}

/** What at least so many seconds cost. */
export function priceOf(rate: Rate, seconds: number): number {
  return costOf(rate, seconds * 1_000);
}

/** For how many milliseconds, from the answer, an amount pays. */
export function paidFor(rate: Rate, amount: number): number {
  const price = incrementPrice(rate);
  if (price === 0) return amount >= rate.connectFee ? Number.POSITIVE_INFINITY : 0;
  return Math.max(0, Math.floor((amount - rate.connectFee) / price)) * rate.increment * 1_000;
}
