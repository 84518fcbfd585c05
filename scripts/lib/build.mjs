// @ts-check
/** Builds the SDK's package and the softphone, when their sources have changed since. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.mjs";
import { root, toolEnvironment, toolNode } from "./project.mjs";
import { Problem } from "./terminal.mjs";

/** Newest change below these paths, milliseconds since 1970; built things do not count. */
function newest(/** @type {string[]} */ paths) {
  let time = 0;
  for (const path of paths) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (!found) continue;
    if (!found.isDirectory()) time = Math.max(time, found.mtimeMs);
    else {
      const inside = readdirSync(path).filter((name) => name !== "node_modules" && name !== "dist");
      // The folder's own time shows that a file has gone.
      time = Math.max(time, newest(inside.map((name) => join(path, name))));
    }
  }
  return time;
}

/** Builds one: `node {folder}/build.mjs`. The mark is older than any change made while it ran. */
async function buildOne(
  /** @type {string} */ folder,
  /** @type {string} */ result,
  /** @type {boolean} */ always,
) {
  const script = join(root, folder, "build.mjs");
  const mark = join(root, "dist", `.${folder}-built`);
  const sources = [folder, "sdk", "protocol", "package-lock.json"].map((name) => join(root, name));
  const built = statSync(mark, { throwIfNoEntry: false })?.mtimeMs;
  if (!always && built && existsSync(join(root, result)) && built > newest(sources)) return;
  mkdirSync(join(root, "dist"), { recursive: true });
  rmSync(mark, { force: true });
  const started = new Date();
  const { code, output } = await run([toolNode(), script], { cwd: root, env: toolEnvironment() });
  if (code !== 0) throw new Problem(`Building ${folder} failed:\n${output.trim()}`);
  writeFileSync(mark, `${started.toISOString()}\n`);
}

/** @param {{ always?: boolean }} [options] */
export async function buildSoftphone({ always = false } = {}) {
  await buildOne("softphone", "dist/softphone/index.html", always);
}

/** @param {{ always?: boolean }} [options] */
export async function buildSdk({ always = false } = {}) {
  await buildOne("sdk", "sdk/dist/index.js", always);
}
