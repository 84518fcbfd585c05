// @ts-check
/** Installs what package-lock.json says, when it is not there yet. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.mjs";
import { root, toolNode } from "./project.mjs";
import { Problem, say } from "./terminal.mjs";

/** npm writes this one at the end of an install. */
const stamp = "node_modules/.package-lock.json";

/** @param {string} [folder] */
export function isInstalled(folder = root) {
  const at = (/** @type {string} */ name) => statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs;
  const [installed, wanted] = [at(stamp), at("package-lock.json")];
  return installed !== undefined && (wanted === undefined || installed >= wanted);
}

/** Installs when needed. Errors: a {@link Problem} with npm's last lines. */
export async function install() {
  if (!isInstalled()) {
    say("Installing (once; this takes a minute) …");
    // What is there is mended in place: `npm ci` would pull it from under a platform that runs.
    const how = existsSync(join(root, "node_modules")) ? ["install", "--no-save"] : ["ci"];
    const { code, output } = await run(["npm", ...how, "--no-fund", "--no-audit", "--loglevel=error"], {
      cwd: root,
    });
    if (code !== 0)
      throw new Problem(`npm ${how[0]} failed:\n${output.trim().split("\n").slice(-15).join("\n")}`);
  }
  await bringNode();
}

/** The package `node` fetches its program in an install script, which some npm settings block. */
async function bringNode() {
  if (toolNode() !== process.execPath || runsTools(process.versions.node)) return;
  await run(["npm", "rebuild", "node", "--foreground-scripts", "--loglevel=error"], { cwd: root });
  if (toolNode() === process.execPath)
    throw new Problem(
      `The tools need Node 22.12 or later; this is ${process.versions.node}, and npm could not bring a newer one: run \`npm rebuild node\`, or install Node 24.`,
    );
}

/** @param {string} version */
function runsTools(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || (major === 22 && minor >= 12);
}
