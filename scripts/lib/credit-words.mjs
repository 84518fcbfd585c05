// @ts-check
/** Credits on the command line: amounts as people write them, and answers in words. */

/** `12.34` in micro-units, exactly; undefined when it is no amount. */
export function microUnits(/** @type {string} */ text) {
  const [, units, fraction = ""] = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text) ?? [];
  return units === undefined ? undefined : Number(units + fraction.padEnd(6, "0"));
}

/** Micro-units as people write them. */
function inUnits(/** @type {number} */ amount) {
  const digits = String(Math.abs(amount)).padStart(7, "0");
  const text = `${digits.slice(0, -6)}.${digits.slice(-6)}`.replace(/\.?0+$/, "");
  return amount < 0 ? `-${text}` : text;
}

/**
 * @typedef {{ time: number, kind: string, amount: number, balance: number, key?: string, callId?: string, note?: string, currency?: string }} Entry
 * @typedef {{ balance: number, currency: string, showBalance: boolean }} Account
 * @typedef {{ prefix: string, name: string, perMinute: number, connectFee: number, increment: number, currency: string }} Rate
 */

/** What a command was answered with, in words; undefined for a command of others. */
export function creditsInWords(/** @type {string} */ command, /** @type {object} */ answer) {
  if (command === "credit show") return balanceInWords(/** @type {Account} */ (answer));
  if (command === "credit top-up") return entryInWords("topped up", /** @type {Entry} */ (answer));
  if (command === "credit refund") return entryInWords("refunded", /** @type {Entry} */ (answer));
  return command === "rates find" ? rateInWords(/** @type {Rate} */ (answer)) : undefined;
}

/** A line of the ledger. */
export function entryLine(/** @type {Entry} */ entry) {
  const { time, kind, amount, balance, key, callId, note } = entry;
  const sign = amount > 0 ? "+" : "";
  const words = [new Date(time).toISOString(), kind, sign + inUnits(amount), `balance ${inUnits(balance)}`];
  return [...words, callId && `call ${callId}`, key && `key ${key}`, note].filter(Boolean).join("  ");
}

function entryInWords(/** @type {string} */ done, /** @type {Entry} */ { amount, balance, key, currency }) {
  return `${done} ${inUnits(amount)} ${currency} with the key ${key}; the balance is ${inUnits(balance)} ${currency}`;
}

function balanceInWords(/** @type {Account} */ { balance, currency, showBalance }) {
  return `${inUnits(balance)} ${currency}${showBalance ? ", which users may read" : ""}`;
}

function rateInWords(/** @type {Rate} */ rate) {
  const { prefix, name, perMinute, connectFee, increment, currency } = rate;
  const fee = connectFee > 0 ? ` and ${inUnits(connectFee)} when it is answered` : "";
  return `+${prefix} ${name}: ${inUnits(perMinute)} ${currency} a minute, by ${increment} s${fee}`;
}
