#!/usr/bin/env node
/** The administrator's command line: `npm run carillon -- --help`. Plain Node, no dependency. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArguments, UsageError, usage } from "./carillon-arguments.mjs";
import { participantsInWords } from "./lib/conference-words.mjs";
import { creditsInWords, entryLine } from "./lib/credit-words.mjs";
import { checkInWords, trunkLine } from "./lib/trunk-words.mjs";

/**
 * @typedef {import("./carillon-arguments.mjs").Request} Request
 * @typedef {import("./carillon-arguments.mjs").Options} Options
 * @typedef {{ url: string, token: string }} Target
 */

/** A failure that is told in one line. */
class Failure extends Error {}

try {
  const parsed = parseArguments(process.argv.slice(2), readText);
  if (parsed.command === undefined) console.log(usage);
  else await run(parsed);
} catch (error) {
  if (!(error instanceof Failure || error instanceof UsageError)) throw error;
  console.error(`carillon: ${error.message}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function run(
  /** @type {{ command: string, options: Options, request: Request }} */ { command, options, request },
) {
  const target = targetOf(options);
  const answer = request.listOf ? await readAll(target, request) : await send(target, request);
  if (options.json) console.log(JSON.stringify(answer ?? {}));
  else console.log(format(command, answer));
}

/**
 * Where to, and with which token: options, environment, or what `npm start` left behind.
 * @returns {Target}
 */
function targetOf(/** @type {Options} */ options) {
  const state = process.env.CARILLON_STATE || ".carillon";
  const url = options.url || process.env.CARILLON_URL || readJson(join(state, "demo.json"))?.url;
  const token =
    options.token || process.env.CARILLON_ADMIN_TOKEN || readJson(join(state, "secrets.json"))?.ADMIN_TOKEN;
  if (!url) throw new Failure("which deployment? Start one with `npm start`, or give --url");
  if (!token) throw new Failure("give --token, or set CARILLON_ADMIN_TOKEN");
  return { url: String(url).replace(/\/+$/, ""), token: String(token) };
}

function readText(/** @type {string} */ path) {
  try {
    return readFileSync(path === "-" ? 0 : path, "utf8");
  } catch (error) {
    throw new Failure(`${path} cannot be read (${/** @type {NodeJS.ErrnoException} */ (error).code})`);
  }
}

function readJson(/** @type {string} */ path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

async function send(
  /** @type {Target} */ { url, token },
  /** @type {Request} */ { method, path, body, csv },
) {
  const type = csv === undefined ? "application/json" : "text/csv";
  const headers = { authorization: `Bearer ${token}`, "content-type": type };
  const sent = fetch(url + path, { method, headers, body: csv ?? (body ? JSON.stringify(body) : undefined) });
  const response = await sent.catch((error) => {
    throw new Failure(`${url} cannot be reached (${error.cause?.code ?? error.message})`);
  });
  const text = await response.text();
  if (response.ok && response.headers.get("content-type")?.startsWith("text/csv")) return text;
  const answer = parse(text);
  if (response.ok && (text === "" || answer)) return answer;
  if (!answer?.errorCode) throw new Failure(`${url} answered ${response.status}: is it a Carillon?`);
  const { errorCode, message, detail, hint, reference } = answer;
  // The detail says it better, where there is one.
  const more = detail ? detail.replace(/\.?$/, ".") : hint;
  throw new Failure(`${message} ${more} (${errorCode}, reference ${reference})`);
}

function parse(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function readAll(/** @type {Target} */ target, /** @type {Request} */ { path, listOf = "" }) {
  const all = [];
  let cursor = "";
  const joint = path.includes("?") ? "&" : "?";
  do {
    const query = new URLSearchParams({ limit: "200", ...(cursor ? { cursor } : {}) });
    const page = await send(target, { method: "GET", path: `${path}${joint}${query}` });
    all.push(...page[listOf]);
    cursor = page.cursor ?? "";
  } while (cursor);
  return all;
}

/** For people: a line per field, a line per entry of a list, the token alone so that it can be piped. */
function format(/** @type {string} */ command, /** @type {unknown} */ answer) {
  if (answer === undefined) return "done";
  if (typeof answer === "string") return answer.trimEnd();
  if (Array.isArray(answer)) return answer.map(line).join("\n") || "none";
  if (command === "conference list") return participantsInWords(/** @type {never} */ (answer));
  if (command === "trunk check") return checkInWords(/** @type {object} */ (answer));
  const words = creditsInWords(command, /** @type {object} */ (answer));
  if (words) return words;
  const fields = Object.entries(/** @type {Record<string, unknown>} */ (answer));
  if (command === "user token") return fields.map(([, token]) => token).join("");
  return fields
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join("\n");
}

/** @param {import("./lib/credit-words.mjs").Entry | { provider: string, id: string, [shown: string]: unknown } | { fromDomain: string, id: string, [shown: string]: unknown } | { userId: string, blocked: boolean } | { applicationKey: string, name: string, accountId: string, secrets: { id: string }[] }} entry */
function line(entry) {
  if ("provider" in entry) return credentialLine(entry);
  if ("balance" in entry) return entryLine(entry);
  if ("fromDomain" in entry) return trunkLine(entry);
  if ("userId" in entry) return [entry.userId, entry.blocked ? "blocked" : ""].join("  ").trimEnd();
  const secrets = entry.secrets.map(({ id }) => id).join(" ");
  return [entry.applicationKey, entry.name, `(${entry.accountId})`, `secrets: ${secrets}`].join("  ");
}

function credentialLine(/** @type {{ provider: string, id: string, [shown: string]: unknown }} */ entry) {
  const { provider, id, created, ...shown } = entry;
  const fields = Object.entries(shown).map(([name, value]) => `${name}: ${value}`);
  return [id, provider, new Date(Number(created)).toISOString(), ...fields].join("  ");
}
