// @ts-check
/** `npm run deploy -- --env sandbox|production [--dry-run]`: onto your own Cloudflare account. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildSoftphone } from "./lib/build.mjs";
import { deploy, parseArguments, rehearse } from "./lib/deployment.mjs";
import { install } from "./lib/install.mjs";
import { run } from "./lib/processes.mjs";
import { checkNode, root, toolEnvironment } from "./lib/project.mjs";
import { openState, writePrivate } from "./lib/state.mjs";
import { runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  checkNode();
  const { env, dryRun } = parseArguments(process.argv.slice(2));
  await install();
  const toml = join(root, "wrangler.toml");
  /** @type {import("./lib/deployment.mjs").Deployment} */
  const deployment = {
    env,
    say,
    run: (command, options) =>
      run(command, { ...options, cwd: root, env: { ...toolEnvironment(), CI: "1" } }),
    config: { read: () => readFileSync(toml, "utf8"), write: (text) => writeFileSync(toml, text) },
    keepSecrets: (secrets) => keep(join(openState(), `secrets.${env}.json`), secrets),
    build: () => buildSoftphone(),
  };
  if (dryRun) return rehearse(deployment, join(root, "dist", `worker-${env}`));
  const url = await deploy(deployment);
  say(`\nCarillon runs at ${url ?? "the address that wrangler shows"}. Make an application:`);
  say(`  CARILLON_URL=${url ?? "…"} CARILLON_ADMIN_TOKEN=… npm run carillon -- app create my-app`);
});

/** Adds to what an earlier run kept. @param {string} path @param {object} secrets */
function keep(path, secrets) {
  const earlier = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
  writePrivate(path, `${JSON.stringify({ ...earlier, ...secrets }, null, 2)}\n`);
  return path;
}
