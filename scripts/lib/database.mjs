// @ts-check
/** The local D1 database: its tables, applied only when the migrations are not those of last time. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./processes.mjs";
import { root, tool, toolEnvironment } from "./project.mjs";
import { Problem } from "./terminal.mjs";

/** Where wrangler keeps what is local. */
export const dataFolder = (/** @type {string} */ state) => join(state, "data");

/** @param {string} state */
export async function migrateLocal(state) {
  const mark = join(state, "migrations.sha256");
  const wanted = migrationsHash();
  if (existsSync(mark) && existsSync(dataFolder(state)) && readFileSync(mark, "utf8") === wanted) return;
  const command = tool(
    "wrangler",
    "d1",
    "migrations",
    "apply",
    "DB",
    "--local",
    "--persist-to",
    dataFolder(state),
  );
  const { code, output } = await run(command, { cwd: root, env: { ...toolEnvironment(), CI: "1" } });
  if (code !== 0) throw new Problem(`The database's tables could not be made:\n${output.trim()}`);
  writeFileSync(mark, wanted);
}

function migrationsHash() {
  const hash = createHash("sha256");
  const folder = join(root, "migrations");
  for (const name of readdirSync(folder)
    .filter((file) => file.endsWith(".sql"))
    .sort())
    hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest("hex");
}
