// @ts-check
/** Trunks on the command line: from its options to a request's body, and from an answer to words. */

/** The options that say what a trunk is; those it needs with a “!”. `--url` is the deployment's. */
export const trunkOptions = [
  ...["app!", "name!", "gateway!", "user!", "from-domain!"],
  ...["caller-id", "preference", "domains"],
];

/** @param {Record<string, string | boolean | undefined>} options @param {(path: string) => string} read */
export function trunkBody(options, read) {
  const { name, gateway: url, user, preference, prefixes, domains } = options;
  const { "password-file": file, "from-domain": fromDomain, "caller-id": callerId } = options;
  return {
    ...{ name, url, user, fromDomain, callerId },
    // An editor ends the file with a line break that is not of the password.
    password: file === undefined ? undefined : read(String(file)).replace(/\r?\n$/, ""),
    preference: preference === undefined ? undefined : Number(preference),
    prefixes: listOf(prefixes),
    domains: listOf(domains),
  };
}

function listOf(/** @type {string | boolean | undefined} */ value) {
  if (value === undefined) return undefined;
  return String(value)
    .split(",")
    .map((rule) => rule.trim())
    .filter((rule) => rule !== "");
}

/**
 * What a trunk has answered, or why it has not.
 *
 * @param {{ reachable?: boolean, ms?: number, status?: number, reason?: string, server?: string, problem?: string }} check
 */
export function checkInWords({ reachable, ms, status, reason, server, problem }) {
  const answered =
    status === undefined ? "answered" : `answered ${[status, reason].filter(Boolean).join(" ")}`;
  const said = reachable
    ? [answered, ms === undefined ? "" : ` in ${Math.round(ms)} ms`, server ? `, as ${server}` : ""].join("")
    : "cannot be reached";
  return problem ? `${said}: ${problem}` : said;
}

/** @param {{ id: string, [shown: string]: unknown }} trunk */
export function trunkLine({ id, created, name, preference, prefixes, domains, ...shown }) {
  const fields = Object.entries(shown).map(([field, value]) => `${field}: ${value}`);
  const rules = (/** @type {unknown} */ list) => [list].flat().join(",") || "none";
  const numbers = [`prefixes: ${rules(prefixes)}`, `domains: ${rules(domains)}`];
  return [id, name, `preference: ${preference}`, ...fields, ...numbers].join("  ");
}
