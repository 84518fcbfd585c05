// @ts-check
/** The one line of wrangler.toml that a deployment fills in. */

/** @param {string} env */
const pattern = (env) =>
  new RegExp(`(\\[\\[env\\.${env}\\.d1_databases\\]\\][^[]*?database_id = ")([^"]*)(")`);

/** @param {string} text wrangler.toml @param {string} env */
export function databaseId(text, env) {
  return pattern(env).exec(text)?.[2];
}

/** @param {string} text wrangler.toml @param {string} env @param {string} id */
export function withDatabaseId(text, env, id) {
  return text.replace(pattern(env), `$1${id}$3`);
}
