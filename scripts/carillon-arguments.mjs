/** What the words on the command line of `carillon` mean: a request, or a mistake that is told in one line. */
import { conferenceCommands } from "./lib/conference-words.mjs";
import { microUnits } from "./lib/credit-words.mjs";
import { trunkBody, trunkOptions } from "./lib/trunk-words.mjs";

export const usage = `Usage: npm run carillon -- <command> [options]

  app create <name> [--account <id>]      make an application; its secret is shown this once
  app list                                keys, names and secret ids
  app rotate <key> [--end-old] [--revoke-instances]
                                          add a secret; the old ones stay valid unless --end-old
  app revoke-secret <key> <secretId>      end an old secret
  app delete <key>                        delete an application and all of its users
  account cross-calls <id> <on|off>       let an account's applications call each other
  account show-balance <id> <on|off>      let its users read the balance
  credit show <account>                   the balance
  credit top-up <account> <amount> [--key <key>] [--note <text>]
                                          add credit, as in 25 or 12.50; once for each key
  credit refund <account> <callId> --app <key> [--amount <amount>] [--key <key>] [--note <text>]
                                          give back what a call was charged, all that is left of it unless told
  credit ledger <account> [--since <time>] [--csv]
                                          what has moved the balance, newest first
  rates import <file.csv>                 prefix,name,perMinute,connectFee,increment: replaces all rates, or none
  rates show                              the same, as it is now
  rates find <number>                     what a minute to it costs
  user list <key>
  user token <key> <userId> [--ttl <s>]   a registration token, good for an hour unless told
  user presence <key> <userId>
  user block <key> <userId>               refuse the user and close its connections
  user unblock <key> <userId>
  user log-out <key> <userId>             revoke all of the user's instances
  push list --app <key>                   what an application pushes with
  push set apns --app <key> --key-file <AuthKey.p8> --key-id <id> --team-id <id>
      [--bundle <id>] [--environment <development|production>]
                                          a token key of Apple's: for one app and environment, or for all of the team
  push set fcm --app <key> --service-account <file.json>
                                          a service account of a Firebase project
  push set webpush --app <key> --subject <mailto:…|https:…>
      (--generate | --public-key <key> --private-key-file <file>)
                                          a VAPID key pair, made by the server or brought along
  push remove <id> --app <key>            stop pushing with it
  trunk list --app <key>                  the gateways to the phone network, in the order in which they are tried
  trunk add --app <key> --name <name> --gateway <wss:…> --user <user> --password-file <file>
      --from-domain <domain> [--caller-id <+number>] [--preference <n>]
      [--prefixes <+46,!+46900>] [--domains <a.example,b.example>]
                                          lower preferences are tried first; all numbers but premium-rate
                                          ones unless told, no SIP domain unless told
  trunk replace <id> …                    the same, and --prefixes is needed; it keeps its password without a file
  trunk check <id> --app <key>            ask it for an answer
  trunk remove <id> --app <key>           stop dialling with it
  conference list <conferenceId> --app <key>
                                          who is in, by the ids of their calls
  conference mute <conferenceId> <callId> --app <key>
                                          and unmute, hold, resume: what the server decides over their heads
  conference kick <conferenceId> <callId> --app <key>
                                          take one out
  conference kick-all <conferenceId> --app <key>

  What was set for the same app and environment, project or public key is replaced at once.
  Private keys and passwords are read from files (- is the standard input), and never shown again.

  --url <url>      the deployment           (or CARILLON_URL)
  --token <token>  the admin token          (or CARILLON_ADMIN_TOKEN)
  --json           print the answer as JSON

Without them it is the local one that \`npm start\` runs.`;

/** A mistake on the command line. */
export class UsageError extends Error {}

/**
 * @typedef {{ method: string, path: string, body?: unknown, csv?: string, listOf?: string }} Request
 * @typedef {Record<string, string | boolean | undefined>} Options
 * @typedef {(path: string) => string} Read the text of a file
 * @typedef {{ help: true, command?: undefined, options?: undefined, request?: undefined } | { help?: undefined, command: string, options: Options, request: Request }} Parsed
 */

const enc = encodeURIComponent;
const credentials = (/** @type {Options} */ { app }) =>
  `/v1/admin/applications/${enc(String(app))}/push/credentials`;
const trunks = (/** @type {Options} */ { app }) => `/v1/admin/applications/${enc(String(app))}/trunks`;
const account = (/** @type {string} */ id, /** @type {string} */ rest) =>
  `/v1/admin/accounts/${enc(id)}/${rest}`;
const user = (/** @type {string} */ key, /** @type {string} */ userId, /** @type {string} */ rest) =>
  `/v1/admin/applications/${enc(key)}/users/${enc(userId)}/${rest}`;

/**
 * By command: the names of its arguments, its own options (those it needs with a “!”), and the
 * request it stands for.
 * @type {Record<string, [string[], string[], (values: [string, string], options: Options, read: Read) => Request]>}
 */
const commands = {
  "app create": [
    ["name"],
    ["account"],
    ([name], { account }) => post("/v1/admin/applications", { name, account }),
  ],
  "app list": [[], [], () => list("/v1/admin/applications", "applications")],
  "app rotate": [
    ["key"],
    ["end-old", "revoke-instances"],
    ([key], options) =>
      post(`/v1/admin/applications/${enc(key)}/rotate`, {
        keepOld: !options["end-old"],
        revokeInstances: Boolean(options["revoke-instances"]),
      }),
  ],
  "app revoke-secret": [
    ["key", "secretId"],
    [],
    ([key, id]) => ({ method: "DELETE", path: `/v1/admin/applications/${enc(key)}/secrets/${enc(id)}` }),
  ],
  "app delete": [["key"], [], ([key]) => ({ method: "DELETE", path: `/v1/admin/applications/${enc(key)}` })],
  "account cross-calls": [
    ["id", "on|off"],
    [],
    ([id, value]) => patchAccount(id, { allowCrossApplication: isOn("account cross-calls", value) }),
  ],
  "account show-balance": [
    ["id", "on|off"],
    [],
    ([id, value]) => patchAccount(id, { showBalance: isOn("account show-balance", value) }),
  ],
  "credit show": [["account"], [], ([id]) => ({ method: "GET", path: account(id, "credits") })],
  "credit top-up": [
    ["account", "amount"],
    ["key", "note"],
    ([id, amount], { key, note }) => post(account(id, "top-ups"), { amount: amountOf(amount), key, note }),
  ],
  "credit refund": [
    ["account", "callId"],
    ["app!", "amount", "key", "note"],
    ([id, callId], { app: applicationKey, amount: some, key, note }) => {
      const amount = some === undefined ? undefined : amountOf(String(some));
      return post(account(id, "refunds"), { applicationKey, callId, amount, key, note });
    },
  ],
  "credit ledger": [
    ["account"],
    ["since", "csv"],
    ([id], { since, csv }) => {
      const chosen = { ...(since && { since: String(since) }), ...(csv && { format: "csv" }) };
      const query = String(new URLSearchParams(chosen));
      const path = account(id, "ledger") + (query && `?${query}`);
      return csv ? { method: "GET", path } : list(path, "entries");
    },
  ],
  "rates import": [
    ["file.csv"],
    [],
    ([file], _, read) => ({ method: "PUT", path: "/v1/admin/rates", csv: read(file) }),
  ],
  "rates show": [[], [], () => ({ method: "GET", path: "/v1/admin/rates" })],
  "rates find": [["number"], [], ([number]) => ({ method: "GET", path: `/v1/admin/rates/${enc(number)}` })],
  "user list": [["key"], [], ([key]) => list(`/v1/admin/applications/${enc(key)}/users`, "users")],
  "user token": [
    ["key", "userId"],
    ["ttl"],
    ([key, id], { ttl }) => {
      if (ttl !== undefined && !/^\d+$/.test(String(ttl))) throw new UsageError("--ttl: give whole seconds");
      return post(user(key, id, "token"), ttl === undefined ? {} : { ttlSeconds: Number(ttl) });
    },
  ],
  "user presence": [
    ["key", "userId"],
    [],
    ([key, id]) => ({ method: "GET", path: user(key, id, "presence") }),
  ],
  "user block": [["key", "userId"], [], ([key, id]) => ({ method: "PUT", path: user(key, id, "block") })],
  "user unblock": [
    ["key", "userId"],
    [],
    ([key, id]) => ({ method: "DELETE", path: user(key, id, "block") }),
  ],
  "user log-out": [
    ["key", "userId"],
    [],
    ([key, id]) => ({ method: "DELETE", path: user(key, id, "instances") }),
  ],
  "push list": [[], ["app!"], (_, options) => list(credentials(options), "credentials")],
  "push set apns": [
    [],
    ["app!", "key-file!", "key-id!", "team-id!", "bundle", "environment"],
    (_, options, read) =>
      put(credentials(options), {
        provider: "apns",
        privateKey: read(String(options["key-file"])),
        keyId: options["key-id"],
        teamId: options["team-id"],
        bundleId: options.bundle,
        environment: options.environment,
      }),
  ],
  "push set fcm": [
    [],
    ["app!", "service-account!"],
    (_, options, read) =>
      put(credentials(options), {
        provider: "fcm",
        serviceAccount: parseFile(read, String(options["service-account"])),
      }),
  ],
  "push set webpush": [
    [],
    ["app!", "subject!", "generate", "public-key", "private-key-file"],
    (_, options, read) => put(credentials(options), vapid(options, read)),
  ],
  "push remove": [
    ["id"],
    ["app!"],
    ([id], options) => ({ method: "DELETE", path: `${credentials(options)}/${enc(id)}` }),
  ],
  "trunk list": [[], ["app!"], (_, options) => list(trunks(options), "trunks")],
  "trunk add": [
    [],
    [...trunkOptions, "password-file!", "prefixes"],
    (_, options, read) => post(trunks(options), trunkBody(options, read)),
  ],
  "trunk replace": [
    ["id"],
    [...trunkOptions, "password-file", "prefixes!"],
    ([id], options, read) => put(`${trunks(options)}/${enc(id)}`, trunkBody(options, read)),
  ],
  "trunk check": [["id"], ["app!"], ([id], options) => post(`${trunks(options)}/${enc(id)}/check`, {})],
  "trunk remove": [
    ["id"],
    ["app!"],
    ([id], options) => ({ method: "DELETE", path: `${trunks(options)}/${enc(id)}` }),
  ],
  ...conferenceCommands,
};

const flags = new Set(["json", "help", "end-old", "revoke-instances", "generate", "csv"]);
const everywhere = new Set(["url", "token", "json", "help"]);

/**
 * Reads the words after the program's name. Answers `{ help: true }` or
 * `{ command, options, request: { method, path, body?, listOf? } }`; throws a {@link UsageError}.
 * @param {string[]} words
 * @param {Read} read
 * @returns {Parsed}
 */
export function parseArguments(words, read) {
  const { positional, options } = splitWords(words);
  if (options.help || positional.length === 0) return { help: true };
  const command = commandOf(positional);
  const [names, own, requestOf] = commands[command];
  const values = positional.slice(command.split(" ").length);
  if (values.length !== names.length) {
    throw new UsageError(`${command} takes ${names.map((name) => `<${name}>`).join(" ") || "no arguments"}`);
  }
  const allowed = own.map((name) => name.replace("!", ""));
  const foreign = Object.keys(options).find((name) => !everywhere.has(name) && !allowed.includes(name));
  if (foreign) throw new UsageError(`${command} knows no option --${foreign}`);
  const missing = own.find((name) => name.endsWith("!") && !options[name.slice(0, -1)]);
  if (missing) throw new UsageError(`${command} needs --${missing.slice(0, -1)}`);
  const pair = /** @type {[string, string]} */ (/** @type {unknown} */ (values));
  return { command, options, request: requestOf(pair, options, read) };
}

/** Three words where there is such a command, or two. */
function commandOf(/** @type {string[]} */ positional) {
  const known = [3, 2]
    .map((count) => positional.slice(0, count).join(" "))
    .find((name) => Object.hasOwn(commands, name));
  if (known) return known;
  const two = positional.slice(0, 2).join(" ");
  const longer = Object.keys(commands).filter((name) => name.startsWith(`${two} `));
  const hint = longer.length > 0 ? `there is ${longer.join(", ")}` : "see --help";
  throw new UsageError(`there is no command “${two}”; ${hint}`);
}

function splitWords(/** @type {string[]} */ words) {
  /** @type {string[]} */
  const positional = [];
  /** @type {Options} */
  const options = {};
  const rest = words.values();
  for (const word of rest) {
    const [, name, , inline] = /^--([^=]*)(=(.*))?$/s.exec(word) ?? [];
    if (word === "-h") options.help = true;
    else if (name === undefined) positional.push(word);
    else {
      const value = inline ?? (flags.has(name) ? true : rest.next().value);
      if (value === undefined) throw new UsageError(`--${name} needs a value`);
      options[name] = value;
    }
  }
  return { positional, options };
}

/** @returns {Request} */
function post(/** @type {string} */ path, /** @type {unknown} */ body) {
  return { method: "POST", path, body };
}

/** @returns {Request} */
function put(/** @type {string} */ path, /** @type {unknown} */ body) {
  return { method: "PUT", path, body };
}

/** @returns {Request} */
function patchAccount(/** @type {string} */ id, /** @type {object} */ body) {
  return { method: "PATCH", path: `/v1/admin/accounts/${enc(id)}`, body };
}

function isOn(/** @type {string} */ command, /** @type {string} */ value) {
  if (value !== "on" && value !== "off") throw new UsageError(`${command}: say on or off`);
  return value === "on";
}

function amountOf(/** @type {string} */ text) {
  const amount = microUnits(text);
  if (!amount) throw new UsageError(`“${text}” is no amount: give it as in 25 or 12.50`);
  return amount;
}

function vapid(/** @type {Options} */ options, /** @type {Read} */ read) {
  const { subject, generate, "public-key": publicKey, "private-key-file": file } = options;
  if (generate ? publicKey || file : !(publicKey && file)) {
    throw new UsageError("push set webpush: give --generate, or both of --public-key and --private-key-file");
  }
  if (generate) return { provider: "webpush", generate: true, subject };
  return { provider: "webpush", publicKey, privateKey: read(String(file)).trim(), subject };
}

function parseFile(/** @type {Read} */ read, /** @type {string} */ path) {
  const text = read(path);
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${path} is not JSON`);
  }
}

/**
 * A list is read to its end, page by page.
 * @returns {Request}
 */
function list(/** @type {string} */ path, /** @type {string} */ listOf) {
  return { method: "GET", path, listOf };
}
