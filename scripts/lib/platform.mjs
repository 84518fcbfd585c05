// @ts-check
/** Runs the platform on this machine: `wrangler dev`, on 127.0.0.1 only. */
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { dataFolder } from "./database.mjs";
import { startLeashed } from "./processes.mjs";
import { root, tool, toolEnvironment } from "./project.mjs";
import { writePrivate } from "./state.mjs";
import { Problem } from "./terminal.mjs";

export const address = "127.0.0.1";

/** Where the push services are; without these, the vendors' own. */
export const pushSettings = [
  "APNS_PRODUCTION_URL",
  "APNS_DEVELOPMENT_URL",
  "FCM_URL",
  "FCM_TOKEN_URL",
  "WEB_PUSH_HOSTS",
];

/** The SFU of conferences: an app of Cloudflare Realtime, and where its API is when it is not Cloudflare's. */
export const sfuSettings = ["SFU_APP_ID", "SFU_APP_SECRET", "SFU_URL"];

/** Settings that are handed on from the environment: a relay's, how much a user may send, push services, and an SFU. */
const settings = [
  "TURN_URLS",
  "TURN_SECRET",
  "STUN_URLS",
  "TURN_API_URL",
  "TURN_KEY_ID",
  "TURN_KEY_API_TOKEN",
  "MESSAGES_PER_SECOND",
  "MESSAGES_BURST",
  "PHONE_CALLS_PER_USER",
  ...pushSettings,
  ...sfuSettings,
];

/** Refuses a port that something else has. */
export async function checkPort(/** @type {number} */ port) {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Problem("PORT must be 1 to 65535.");
  await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", () =>
      reject(new Problem(`Port ${port} is in use. PORT=${port + 1} npm start takes another.`)),
    );
    probe.listen(port, address, () => probe.close(resolve));
  });
}

/**
 * Starts the platform. `defaults`: settings for which the environment has nothing.
 *
 * @param {{ state: string, port: number, secrets: import("./state.mjs").Secrets, defaults?: Record<string, string>, onLine?: (line: string) => void }} options
 */
export function startPlatform({ state, port, secrets, defaults = {}, onLine }) {
  const vars = join(state, "platform.env");
  // A file, because arguments can be read by everyone on the machine.
  const given = settings
    .map((name) => [name, process.env[name] ?? defaults[name]])
    .filter(([, value]) => value);
  const lines = [...Object.entries(secrets), ...given].map(([name, value]) => `${name}='${value}'\n`);
  writePrivate(vars, lines.join(""));
  const file = createWriteStream(join(state, "carillon.log"), { flags: "a", mode: 0o600 });
  const options = [
    ...["--ip", address, "--port", String(port), "--inspector-port", "0", "--log-level", "log"],
    ...["--persist-to", dataFolder(state), "--env-file", vars],
    ...["--live-reload=false", "--show-interactive-dev-session=false"],
  ];
  const process_ = startLeashed(tool("wrangler", "dev", ...options), {
    cwd: root,
    env: toolEnvironment(),
    onLine(line) {
      file.write(`${line}\n`);
      onLine?.(line);
    },
  });
  return { ...process_, url: `http://${address}:${port}` };
}

/**
 * Waits until the platform answers. Errors: a {@link Problem} when it ends or takes too long.
 *
 * @param {{ url: string, exited: Promise<number> }} platform @param {number} [limit] milliseconds
 */
export async function untilHealthy({ url, exited }, limit = 60_000) {
  let ended = false;
  exited.then(() => {
    ended = true;
  });
  for (const end = Date.now() + limit; Date.now() < end; await pause(100)) {
    if (ended) throw new Problem("The platform did not start; carillon.log in the state folder says why.");
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(5_000) }).catch(
      () => undefined,
    );
    if (answer?.ok) return;
  }
  throw new Problem(`The platform did not answer at ${url}/health within ${limit / 1000} s.`);
}

const pause = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
