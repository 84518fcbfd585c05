/** How long a call's money lasts, and what the call has cost. Source: SPEC section 7. */
import { type CallCost, type CallRate, serverLimits } from "../../protocol";
import { costOf, paidFor, priceOf } from "../credits/rate";
import type { Bill, CallData, Deadlines } from "./call-data";

/** When to ask for more, and when the call has to end; nothing for a call that costs no more than its connection. */
export function fundingDeadlines(bill: Bill, answered: number): Pick<Deadlines, "fund" | "broke"> {
  const paid = paidFor(bill.rate, bill.held);
  if (paid === Number.POSITIVE_INFINITY) return {};
  const ahead = Math.min(serverLimits.reserveAheadSeconds * 1_000, paid / 2);
  return { fund: answered + paid - ahead, broke: answered + paid };
}

/** What the reservation with this number asks for, micro-units. Longer calls ask less often. */
export function sliceWanted({ rate }: Pick<Bill, "rate">, slice: number): number {
  const { reserveSeconds, reserveSecondsMax } = serverLimits;
  const seconds = Math.min(reserveSeconds * 2 ** (slice - 1), reserveSecondsMax);
  return slice === 1 ? priceOf(rate, seconds) : priceOf(rate, seconds) - rate.connectFee;
}

/** What a call has cost that is over: nothing unless it was answered. */
export function costOfCall({ bill, times, cause }: CallData): CallCost | undefined {
  if (!bill) return undefined;
  const { rate, currency, held } = bill;
  if (times.answered === undefined) return { currency, amount: 0 };
  const cost = costOf(rate, (times.ended ?? times.answered) - times.answered);
  // It ends a moment late, which is not the caller's to pay.
  return { currency, amount: cause === "insufficientFunds" ? Math.min(cost, held) : cost };
}

/** What clients are told of a rate. */
export function toCallRate({ rate, currency }: Bill): CallRate {
  const { perMinute, connectFee, increment } = rate;
  return { currency, perMinute, connectFee, increment };
}
