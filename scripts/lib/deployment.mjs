// @ts-check
/**
 * What a deployment takes, step by step. Each step looks first and makes only what is missing, so
 * that a second run, or one after a failure half-way, does no harm.
 */
import { tool } from "./project.mjs";
import { newSecrets } from "./state.mjs";
import { Problem } from "./terminal.mjs";
import { databaseId, withDatabaseId } from "./wrangler-toml.mjs";

/** The environments of `wrangler.toml`; the top level is the local one. */
export const environments = ["sandbox", "production"];

/**
 * @typedef {object} Deployment
 * @property {string} env
 * @property {(command: string[], options?: { input?: string }) => Promise<import("./processes.mjs").Outcome>} run
 * @property {(line: string) => void} say
 * @property {{ read: () => string, write: (text: string) => void }} config wrangler.toml
 * @property {(secrets: import("./state.mjs").Secrets) => string} keepSecrets writes them to a private file; answers its path
 * @property {() => Promise<void>} build the softphone
 */

/**
 * The arguments of `npm run deploy --`. Errors: a {@link Problem} that says how it is used.
 *
 * @param {string[]} args
 */
export function parseArguments(args) {
  const dryRun = args.includes("--dry-run");
  const words = args.filter((word) => word !== "--dry-run");
  const [flag, env = ""] = words[0]?.startsWith("--env=") ? ["--env", words[0].slice(6)] : words;
  if (flag !== "--env" || !environments.includes(env))
    throw new Problem(`Use: npm run deploy -- --env ${environments.join("|")} [--dry-run]`);
  return { env, dryRun };
}

/** Deploys. Answers the URL, when wrangler says it. @param {Deployment} deployment */
export async function deploy(deployment) {
  await checkLogin(deployment);
  await ensureDatabase(deployment);
  await ensureQueues(deployment);
  await deployment.build();
  await migrate(deployment);
  const url = await upload(deployment);
  // A Worker must be there before it can have secrets; until then it refuses everything.
  await ensureSecrets(deployment);
  return url;
}

/** @param {Deployment} deployment @param {string[]} args @param {string} [input] */
async function wrangler({ run }, args, input) {
  const outcome = await run(tool("wrangler", ...args), { input });
  if (outcome.code === 0) return outcome.stdout;
  throw failed(args, outcome);
}

/** @param {string[]} args @param {import("./processes.mjs").Outcome} outcome */
function failed(args, { output }) {
  const last = output.trim().split("\n").slice(-10).join("\n");
  return new Problem(`wrangler ${args.slice(0, 3).join(" ")} failed:\n${last}`);
}

/** @param {Deployment} deployment */
export async function checkLogin({ run }) {
  const { code, output } = await run(tool("wrangler", "whoami"));
  if (code !== 0 || /not authenticated/i.test(output))
    throw new Problem(
      "You are not logged in to Cloudflare: run `npx wrangler login`, or set CLOUDFLARE_API_TOKEN.",
    );
}

/** @param {Deployment} deployment */
export async function ensureDatabase(deployment) {
  const { env, say, config } = deployment;
  const name = `carillon-${env}`;
  const find = async () => {
    /** @type {{ name: string, uuid: string }[]} */
    const databases = JSON.parse(await wrangler(deployment, ["d1", "list", "--json"]));
    return databases.find((database) => database.name === name)?.uuid;
  };
  let id = await find();
  if (id) say(`Database ${name}: there.`);
  else {
    await wrangler(deployment, ["d1", "create", name]);
    id = await find();
    if (!id)
      throw new Problem(`Cloudflare made the database ${name} but does not list it yet: run this again.`);
    say(`Database ${name}: made.`);
  }
  const text = config.read();
  if (databaseId(text, env) === id) return;
  config.write(withDatabaseId(text, env, id));
  say(`wrangler.toml: wrote its id ${id}; commit that.`);
}

/** The queues that wrangler.toml names: it deploys to none that is not there. @param {Deployment} deployment */
export async function ensureQueues(deployment) {
  const { env, say, run } = deployment;
  for (const name of queues(env)) {
    const args = ["queues", "info", name];
    const outcome = await run(tool("wrangler", ...args));
    // What wrangler prints is broken into lines.
    const missing = outcome.code !== 0 && /does\s+not\s+exist/.test(outcome.output);
    if (outcome.code !== 0 && !missing) throw failed(args, outcome);
    if (missing) await wrangler(deployment, ["queues", "create", name]);
    say(`Queue ${name}: ${missing ? "made" : "there"}.`);
  }
}

/** @param {string} env */
const queues = (env) => [`carillon-${env}-push`, `carillon-${env}-push-dead`];

/** @param {Deployment} deployment */
export async function migrate(deployment) {
  await wrangler(deployment, ["d1", "migrations", "apply", "DB", "--remote", "--env", deployment.env]);
  deployment.say("Database tables: up to date.");
}

/** @param {Deployment} deployment */
export async function upload(deployment) {
  const output = await wrangler(deployment, ["deploy", "--env", deployment.env]);
  deployment.say("Worker: deployed.");
  return /https:\/\/\S+/.exec(output)?.[0];
}

/** Sets what is not set; never replaces: MASTER_KEY decrypts what is stored. @param {Deployment} deployment */
export async function ensureSecrets(deployment) {
  const { env, say, keepSecrets } = deployment;
  /** @type {{ name: string }[]} */
  const set = JSON.parse(await wrangler(deployment, ["secret", "list", "--env", env, "--format", "json"]));
  const missing = Object.entries(newSecrets()).filter(
    ([name]) => !set.some((secret) => secret.name === name),
  );
  if (missing.length === 0) return say("Secrets: there.");
  // Kept before they are set: a failure between the two loses nothing.
  const path = keepSecrets(/** @type {import("./state.mjs").Secrets} */ (Object.fromEntries(missing)));
  for (const [name, value] of missing)
    await wrangler(deployment, ["secret", "put", name, "--env", env], value);
  say(`Secrets: made ${missing.map(([name]) => name).join(" and ")}. They are in ${path}: keep it safe.`);
}

/**
 * Says what a deployment would do and bundles it for real; asks and changes nothing elsewhere.
 *
 * @param {Deployment} deployment @param {string} outdir
 */
export async function rehearse(deployment, outdir) {
  const { env, say } = deployment;
  for (const line of [
    `Would look for the D1 database carillon-${env}, make it when it is missing, and write its id to wrangler.toml`,
    `Would look for the queues ${queues(env).join(" and ")}, and make them when they are missing`,
    "Would build the softphone",
    "Would apply the migrations to that database",
    `Would deploy the Worker carillon-${env}`,
    "Would set MASTER_KEY and ADMIN_TOKEN when they are not set",
  ])
    say(line);
  await deployment.build();
  await wrangler(deployment, ["deploy", "--dry-run", "--env", env, "--outdir", outdir]);
  say(`Bundled to ${outdir}. Nothing was deployed.`);
}
