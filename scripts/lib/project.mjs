// @ts-check
/** Where things are in this project, and how its programs are run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Problem } from "./terminal.mjs";

/** The project's folder. */
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** No word to anyone, and no question at a terminal that is not there. */
export const quiet = {
  WRANGLER_SEND_METRICS: "false",
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_HIDE_BANNER: "true",
  NO_UPDATE_NOTIFIER: "1",
  FORCE_COLOR: "0",
  // wrangler dev's own record of every request and frame: several durable writes for each.
  X_LOCAL_OBSERVABILITY: "false",
};

/** The oldest Node that these scripts run on; the tools bring their own, newer one. */
export const oldestNode = 20;

/** @param {string} [version] `process.versions.node` */
export function checkNode(version = process.env.CARILLON_NODE_VERSION ?? process.versions.node) {
  if (Number.parseInt(version, 10) < oldestNode)
    throw new Problem(
      `Carillon needs Node ${oldestNode} or later; this is ${version}. See https://nodejs.org`,
    );
}

/** The Node of the tools: 24, from the package `node`. */
export function toolNode() {
  const own = join(root, "node_modules/node/bin/node");
  return existsSync(own) ? own : process.execPath;
}

/**
 * A tool of `node_modules` as a command, on the tools' Node.
 *
 * @param {string} name as in `node_modules/.bin` @param {...string} args
 */
export function tool(name, ...args) {
  return [toolNode(), join(root, "node_modules/.bin", name), ...args];
}

/** The environment for tools: those that start others find our Node first. */
export function toolEnvironment() {
  return { ...quiet, PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH ?? ""}` };
}
