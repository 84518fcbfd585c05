/** The rate card as a file: `prefix,name,perMinute,connectFee,increment`, amounts in units of the currency. */
import { fail, ok, type Result, serverLimits } from "../../protocol";
import { parseCsvLine, toCsvLine } from "./csv";
import { formatAmount, parseAmount } from "./money";
import type { Rate } from "./rate";
import { listRates } from "./rates";

const header = ["prefix", "name", "perMinute", "connectFee", "increment"];
const nameCharacters = 100;
/** A million units: an hour at that price is an exact number still. */
const priceMax = 1_000_000_000_000;
const incrementMax = 3_600;
/** So many are told at once. */
const mistakesShown = 100;

/**
 * Reads a card. The error's detail has a line for each line that is wrong, the first 100 of them.
 *
 * Errors: invalidRequest, tooLarge (too many lines).
 */
export function parseRateCard(text: string): Result<Rate[]> {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  if (lines.length > serverLimits.rateCardLines + 1) {
    return fail("tooLarge", { detail: `A rate card has at most ${serverLimits.rateCardLines} lines.` });
  }
  if (parseCsvLine(lines[0] ?? "")?.join() !== header.join())
    return fail("invalidRequest", { detail: `line 1: has to be ${header.join()}` });
  if (lines.length === 1) return fail("invalidRequest", { detail: "There is no line below the first." });
  const rates: Rate[] = [];
  const lineOf = new Map<string, number>();
  const mistakes: string[] = [];
  for (const [index, content] of lines.entries()) {
    if (index === 0) continue;
    const rate = parseLine(content);
    const twin = typeof rate === "string" ? undefined : lineOf.get(rate.prefix);
    if (typeof rate === "string") mistakes.push(`line ${index + 1}: ${rate}`);
    else if (twin) mistakes.push(`line ${index + 1}: prefix ${rate.prefix} is in line ${twin} already`);
    else {
      rates.push(rate);
      lineOf.set(rate.prefix, index + 1);
    }
  }
  return mistakes.length > 0 ? refuse(mistakes) : ok(rates);
}

/** The card as it is, line by line. */
export async function* rateCardLines(db: D1Database): AsyncGenerator<string> {
  const limit = 5_000;
  yield toCsvLine(header);
  for (let after: string | undefined = ""; after !== undefined; ) {
    const rates: Rate[] = await listRates(db, { after, limit });
    if (rates.length > 0) yield rates.map(toLine).join("");
    after = rates.length === limit ? rates.at(-1)?.prefix : undefined;
  }
}

function toLine({ prefix, name, perMinute, connectFee, increment }: Rate): string {
  return toCsvLine([prefix, name, formatAmount(perMinute), formatAmount(connectFee), increment]);
}

/** A rate, or what is wrong. */
function parseLine(line: string): Rate | string {
  const fields = parseCsvLine(line);
  if (!fields) return "a quote is not closed, or not where it may be";
  if (fields.length !== header.length) return `has ${fields.length} fields and not ${header.length}`;
  const [number = "", name = "", minute = "", connect = "", seconds = ""] = fields;
  const [, prefix] = /^\+?([1-9]\d{0,14})$/.exec(number) ?? [];
  if (prefix === undefined)
    return "prefix: has to be 1 to 15 digits as after the + of a number, none of them a leading 0";
  if (name.length < 1 || name.length > nameCharacters) {
    return `name: has to have 1 to ${nameCharacters} characters`;
  }
  const [perMinute, connectFee] = [priceOf(minute), priceOf(connect)];
  if (perMinute === undefined) return `perMinute: ${priceRule}`;
  if (connectFee === undefined) return `connectFee: ${priceRule}`;
  const increment = /^\d{1,4}$/.test(seconds) ? Number(seconds) : 0;
  if (increment < 1 || increment > incrementMax) {
    return `increment: has to be whole seconds, 1 to ${incrementMax}`;
  }
  return { prefix, name, perMinute, connectFee, increment };
}

const priceRule = `has to be an amount like 0.015, at most 6 decimals, at most ${formatAmount(priceMax)}`;

function priceOf(text: string): number | undefined {
  const price = parseAmount(text);
  return price !== undefined && price <= priceMax ? price : undefined;
}

function refuse(mistakes: readonly string[]) {
  const shown = mistakes.slice(0, mistakesShown);
  const count = mistakes.length === 1 ? "1 line is wrong" : `${mistakes.length} lines are wrong`;
  const more = mistakes.length > shown.length ? `, of which these are the first ${mistakesShown}` : "";
  return fail("invalidRequest", { detail: [`${count}${more}; nothing was imported.`, ...shown].join("\n") });
}
