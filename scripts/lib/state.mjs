// @ts-check
/** The state folder of a local platform: secrets, database, what the objects hold, the log. */
import { randomBytes } from "node:crypto";
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { root } from "./project.mjs";
import { Problem } from "./terminal.mjs";

/** @typedef {{ MASTER_KEY: string, ADMIN_TOKEN: string }} Secrets */

/** Opens the state folder, and makes it when it is not there. Errors: a {@link Problem}. */
export function openState(folder = process.env.CARILLON_STATE ?? ".carillon") {
  const path = resolve(root, folder);
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : error;
    throw new Problem(
      `The state folder ${path} is not writable (${code}). CARILLON_STATE names another one.`,
    );
  }
  return path;
}

/** Writes a file that only its owner reads; a reader never sees half of it. */
export function writePrivate(/** @type {string} */ path, /** @type {string} */ text) {
  const next = `${path}.${process.pid}.new`;
  writeFileSync(next, text, { mode: 0o600 });
  renameSync(next, path);
}

/**
 * The platform's own secrets, made on the first run.
 *
 * @param {string} state
 * @returns {Secrets}
 */
export function openSecrets(state) {
  const path = join(state, "secrets.json");
  if (!existsSync(path)) {
    writePrivate(path, `${JSON.stringify(newSecrets(), null, 2)}\n`);
  }
  const { MASTER_KEY, ADMIN_TOKEN } = JSON.parse(readFileSync(path, "utf8"));
  if (typeof MASTER_KEY === "string" && typeof ADMIN_TOKEN === "string") return { MASTER_KEY, ADMIN_TOKEN };
  throw new Problem(
    `${path} lacks MASTER_KEY or ADMIN_TOKEN; what was encrypted with it is lost without them.`,
  );
}

/** @returns {Secrets} */
export function newSecrets() {
  return {
    MASTER_KEY: randomBytes(32).toString("base64"),
    ADMIN_TOKEN: randomBytes(32).toString("base64url"),
  };
}
