// @ts-check
/**
 * The telephone network as one process: `node main.mjs <state folder> <port>`. The first line that it
 * writes is JSON: the page's address, and the trunk that reaches it.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "../../lib/state.mjs";
import { pageFiles } from "./page/files.mjs";
import { startTelephony } from "./server.mjs";

const [state = "", wanted = "0"] = process.argv.slice(2);
const account = { realm: "phones.localhost", user: "carillon", password: password() };
const files = await pageFiles();
const { url, sip } = await near(Number(wanted));
const trunk = { url: sip, user: account.user, password: account.password, fromDomain: account.realm };
process.stdout.write(`${JSON.stringify({ url, trunk })}\n`);

/** The same on each start: who has dialled knows it. */
function password() {
  const path = join(state, "telephony.json");
  if (existsSync(path)) return String(JSON.parse(readFileSync(path, "utf8")).password);
  const made = randomBytes(16).toString("hex");
  writePrivate(path, `${JSON.stringify({ password: made })}\n`);
  return made;
}

/** On the wanted port, or the next that is free. */
async function near(/** @type {number} */ port) {
  const onProblem = (/** @type {string} */ problem) =>
    process.stdout.write(`The phones were sent ${problem}\n`);
  for (let more = 0; more < 20; more++) {
    const started = await startTelephony({ port: port + more, account, files, onProblem }).catch(
      () => undefined,
    );
    if (started) return started;
  }
  return startTelephony({ account, files, onProblem });
}
