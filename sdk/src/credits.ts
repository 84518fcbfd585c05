/**
 * What calls to phones cost, for apps that show it.
 *
 * @packageDocumentation
 */
import type { CallCost, Credits } from "../../protocol";
import type { Call } from "./call";
import type { CarillonClient } from "./client";

export type { CallCost, CallRate, Credits } from "../../protocol";

/**
 * What the account has left, in millionths of its currency.
 *
 * @throws CarillonError (rejects) `forbidden` when the account does not show it to users, `invalidUse`
 * before `start()`, `networkLost`, or what the server says.
 * @example
 * const { balance, currency } = await getCredits(client);
 * show(formatMoney({ amount: balance, currency }));
 */
export async function getCredits(client: CarillonClient): Promise<Credits> {
  return (await client.registrar.authorized("GET", "/v1/credits")) as Credits;
}

/**
 * What a call has cost: up to now while it runs, and in the end what was charged. Undefined until it is
 * answered, and for one that costs nothing by its kind.
 *
 * @example
 * setInterval(() => show(formatMoney(costSoFar(call))), 1_000);
 */
export function costSoFar({ details }: Pick<Call, "details">): CallCost | undefined {
  const { rate, cost, answeredTime, establishedTime = answeredTime, duration } = details;
  if (cost || !rate || answeredTime === undefined || establishedTime === undefined) return cost;
  const { currency, perMinute, connectFee, increment } = rate;
  const seconds = duration + (establishedTime - answeredTime) / 1_000;
  const increments = Math.max(1, Math.ceil(seconds / increment));
  return { currency, amount: connectFee + increments * Math.ceil((perMinute * increment) / 60) };
}

/**
 * An amount as people write it, with as many decimals as it needs up to four; "" for none.
 *
 * @param locale As for `Intl.NumberFormat`; the runtime's own by default.
 * @example
 * formatMoney({ amount: 22_500, currency: "USD" }, "en"); // "$0.0225"
 */
export function formatMoney(cost: CallCost | undefined, locale?: string): string {
  if (!cost) return "";
  const options = { style: "currency", currency: cost.currency, maximumFractionDigits: 4 } as const;
  return new Intl.NumberFormat(locale, options).format(cost.amount / 1_000_000);
}
