/** Amounts as people write them, in units of the currency, and as they are stored: integers of a millionth. */

/** The most that is taken for one amount or balance: a billion units, far below what a number holds exactly. */
export const amountMax = 1_000_000_000_000_000;

/** The currency of a deployment, ISO 4217. */
export function currencyOf({ CURRENCY }: { CURRENCY?: string }): string {
  return CURRENCY || "USD";
}

/** `0.015` as 15,000 micro-units, without a fraction ever being a number; undefined for anything else. */
export function parseAmount(text: string): number | undefined {
  const [, units, fraction = ""] = /^(\d{1,10})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  if (units === undefined) return undefined;
  const amount = Number(units + fraction.padEnd(6, "0"));
  return amount <= amountMax ? amount : undefined;
}

/** 15,000 micro-units as `0.015`. */
export function formatAmount(amount: number): string {
  const digits = String(Math.abs(amount)).padStart(7, "0");
  const text = `${digits.slice(0, -6)}.${digits.slice(-6)}`.replace(/\.?0+$/, "");
  return amount < 0 ? `-${text}` : text;
}
