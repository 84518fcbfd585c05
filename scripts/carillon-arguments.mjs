/** What the words on the command line of `carillon` mean: a request, or a mistake that is told in one line. */

export const usage = `Usage: npm run carillon -- <command> [options]

  app create <name> [--account <id>]      make an application; its secret is shown this once
  app list                                keys, names and secret ids
  app rotate <key> [--end-old] [--revoke-instances]
                                          add a secret; the old ones stay valid unless --end-old
  app revoke-secret <key> <secretId>      end an old secret
  app delete <key>                        delete an application and all of its users
  account cross-calls <id> <on|off>       let an account's applications call each other
  user list <key>
  user token <key> <userId> [--ttl <s>]   a registration token, good for an hour unless told
  user presence <key> <userId>
  user block <key> <userId>               refuse the user and close its connections
  user unblock <key> <userId>
  user log-out <key> <userId>             revoke all of the user's instances

  --url <url>      the deployment           (or CARILLON_URL)
  --token <token>  the admin token          (or CARILLON_ADMIN_TOKEN)
  --json           print the answer as JSON

Without them it is the local one that \`npm start\` runs.`;

/** A mistake on the command line. */
export class UsageError extends Error {}

/**
 * @typedef {{ method: string, path: string, body?: unknown, listOf?: string }} Request
 * @typedef {Record<string, string | boolean | undefined>} Options
 * @typedef {{ help: true, command?: undefined, options?: undefined, request?: undefined } | { help?: undefined, command: string, options: Options, request: Request }} Parsed
 */

const enc = encodeURIComponent;
const user = (/** @type {string} */ key, /** @type {string} */ userId, /** @type {string} */ rest) =>
  `/v1/admin/applications/${enc(key)}/users/${enc(userId)}/${rest}`;

/**
 * By command: the names of its arguments, its own options, and the request it stands for.
 * @type {Record<string, [string[], string[], (values: [string, string], options: Options) => Request]>}
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
    ([id, value]) => {
      if (value !== "on" && value !== "off") throw new UsageError("account cross-calls: say on or off");
      return {
        method: "PATCH",
        path: `/v1/admin/accounts/${enc(id)}`,
        body: { allowCrossApplication: value === "on" },
      };
    },
  ],
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
};

const flags = new Set(["json", "help", "end-old", "revoke-instances"]);
const everywhere = new Set(["url", "token", "json", "help"]);

/**
 * Reads the words after the program's name. Answers `{ help: true }` or
 * `{ command, options, request: { method, path, body?, listOf? } }`; throws a {@link UsageError}.
 * @param {string[]} words
 * @returns {Parsed}
 */
export function parseArguments(words) {
  const { positional, options } = splitWords(words);
  if (options.help || positional.length === 0) return { help: true };
  const command = positional.slice(0, 2).join(" ");
  const known = Object.hasOwn(commands, command) ? commands[command] : undefined;
  if (!known) throw new UsageError(`there is no command “${command}”; see --help`);
  const [names, own, requestOf] = known;
  const values = positional.slice(2);
  if (values.length !== names.length) {
    throw new UsageError(`${command} takes ${names.map((name) => `<${name}>`).join(" ") || "no arguments"}`);
  }
  const foreign = Object.keys(options).find((name) => !everywhere.has(name) && !own.includes(name));
  if (foreign) throw new UsageError(`${command} knows no option --${foreign}`);
  const pair = /** @type {[string, string]} */ (/** @type {unknown} */ (values));
  return { command, options, request: requestOf(pair, options) };
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

/**
 * A list is read to its end, page by page.
 * @returns {Request}
 */
function list(/** @type {string} */ path, /** @type {string} */ listOf) {
  return { method: "GET", path, listOf };
}
