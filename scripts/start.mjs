// @ts-check
/**
 * `npm start`: the whole platform on this machine, with a demo application and two links to it.
 *
 * PORT (8787) and CARILLON_STATE (.carillon) say where; TURN_URLS and the like name a relay;
 * MESSAGES_PER_SECOND and MESSAGES_BURST say how much a user may send.
 */
import { buildSoftphone } from "./lib/build.mjs";
import { migrateLocal } from "./lib/database.mjs";
import { openDemo } from "./lib/demo.mjs";
import { install } from "./lib/install.mjs";
import { readable } from "./lib/log-lines.mjs";
import { checkPort, startPlatform, untilHealthy } from "./lib/platform.mjs";
import { checkNode } from "./lib/project.mjs";
import { openSecrets, openState } from "./lib/state.mjs";
import { runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  checkNode();
  const port = Number(process.env.PORT ?? 8787);
  await checkPort(port);
  const state = openState();
  const secrets = openSecrets(state);
  await install();
  say("Starting Carillon …");
  await Promise.all([buildSoftphone(), migrateLocal(state)]);

  const onLine = (/** @type {string} */ line) => {
    const text = readable(line);
    if (text) say(text);
  };
  const platform = startPlatform({ state, port, secrets, onLine });
  let stopping = false;
  const stop = () => {
    stopping = true;
    return platform.stop();
  };
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, stop);
  // npm ends on a signal without handing it on to what it started.
  const parent = process.ppid;
  const orphaned = () => process.ppid !== parent && stop();
  if (process.env.npm_lifecycle_event === "start") setInterval(orphaned, 500).unref();
  try {
    await untilHealthy(platform);
    const demo = await openDemo({ state, url: platform.url, adminToken: secrets.ADMIN_TOKEN });
    say(welcome(demo));
  } catch (error) {
    const stopped = stopping;
    await stop();
    if (!stopped) throw error;
  }
  const code = await platform.exited;
  return stopping ? 0 : code || 1;
});

function welcome(/** @type {import("./lib/demo.mjs").Demo} */ { url, applicationKey, links }) {
  return `
Carillon runs at ${url}. Open these two, each in a window of its own:

  alice  ${links.alice}
  bob    ${links.bob}

Each link signs one browser in, once; after that the browser remembers. Another one:
  npm run carillon -- user token ${applicationKey} alice
Ctrl-C stops it; what it knows stays.
`;
}
