// @ts-check
/**
 * `npm start`: the whole platform on this machine, with a demo application, two links to it, push
 * services with three phones, a telephone network with all others, and an SFU for conferences.
 *
 * PORT (8787) and CARILLON_STATE (.carillon) say where; TURN_URLS and the like name a relay;
 * MESSAGES_PER_SECOND and MESSAGES_BURST say how much a user may send; APNS_PRODUCTION_URL and the
 * like name other push services than those of this machine, SFU_APP_ID and SFU_APP_SECRET another SFU;
 * CARILLON_TRUNK=off does without telephones, CARILLON_SFU=off without an SFU.
 */
import { buildSoftphone } from "./lib/build.mjs";
import { migrateLocal } from "./lib/database.mjs";
import { openDemo } from "./lib/demo.mjs";
import { install } from "./lib/install.mjs";
import { readable } from "./lib/log-lines.mjs";
import { registerPhones, startPhones } from "./lib/phones.mjs";
import { checkPort, startPlatform, untilHealthy } from "./lib/platform.mjs";
import { checkNode } from "./lib/project.mjs";
import { startSfu } from "./lib/sfu.mjs";
import { openSecrets, openState } from "./lib/state.mjs";
import { openTelephony, startTelephony } from "./lib/telephony.mjs";
import { Problem, runScript, say } from "./lib/terminal.mjs";

await runScript(async () => {
  checkNode();
  const port = Number(process.env.PORT ?? 8787);
  await checkPort(port);
  const state = openState();
  const secrets = openSecrets(state);
  await install();
  say("Starting Carillon …");
  await Promise.all([buildSoftphone(), migrateLocal(state)]);
  // Everything else works without them.
  const without = (/** @type {string} */ lacks) => (/** @type {unknown} */ error) => {
    if (!(error instanceof Problem)) throw error;
    say(`${error.message} ${lacks}`);
    return undefined;
  };
  const [noPhones, noTelephony] = [without("Pushes go nowhere."), without("No number can be called.")];
  const noSfu = without("Conferences have 6 participants at most.");
  const [phones, telephony, sfu] = await Promise.all([
    startPhones({ state, port: port + 10, onLine: say }).catch(noPhones),
    startTelephony({ state, port: port + 11, onLine: say }).catch(noTelephony),
    startSfu({ state, port: port + 12, onLine: say }).catch(noSfu),
  ]);

  const onLine = (/** @type {string} */ line) => {
    const text = readable(line);
    if (text) say(text);
  };
  const defaults = { ...phones?.settings, ...sfu?.settings };
  const platform = startPlatform({ state, port, secrets, defaults, onLine });
  let stopping = false;
  const stop = () => {
    stopping = true;
    return Promise.all([platform.stop(), phones?.stop(), telephony?.stop(), sfu?.stop()]);
  };
  phones?.exited.then(() => stopping || say("The phones have gone; pushes go nowhere."));
  telephony?.exited.then(() => stopping || say("The telephone network has gone; no number can be called."));
  sfu?.exited.then(() => stopping || say("The SFU has gone; conferences have 6 participants at most."));
  for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) process.on(signal, stop);
  // npm ends on a signal without handing it on to what it started.
  const parent = process.ppid;
  const orphaned = () => process.ppid !== parent && stop();
  if (process.env.npm_lifecycle_event === "start") setInterval(orphaned, 500).unref();
  try {
    await untilHealthy(platform);
    const admin = { url: platform.url, adminToken: secrets.ADMIN_TOKEN };
    const demo = await openDemo({ state, ...admin, phones: phones?.url, telephony: telephony?.url });
    const { applicationKey } = demo;
    const pushService = phones?.settings.WEB_PUSH_HOSTS;
    if (pushService) await registerPhones({ state, ...admin, applicationKey, pushService }).catch(noPhones);
    if (telephony)
      await openTelephony({ ...admin, applicationKey, trunk: telephony.trunk }).catch(noTelephony);
    say(welcome(demo));
  } catch (error) {
    const stopped = stopping;
    await stop();
    if (!stopped) throw error;
  }
  const code = await platform.exited;
  const asked = stopping;
  await stop();
  return asked ? 0 : code || 1;
});

function welcome(
  /** @type {import("./lib/demo.mjs").Demo} */ { url, applicationKey, links, phones, telephony },
) {
  const ringing = telephony
    ? `
They can call any phone number. All of them ring at

  telephone ${telephony}
`
    : "";
  const sleeping = phones
    ? `
bob has three phones that sleep, too. What wakes them shows at

  phones ${phones}
`
    : "";
  return `
Carillon runs at ${url}. Open these, each in a window of its own: two for a call, all for a conference.

  alice  ${links.alice}
  bob    ${links.bob}
  carol  ${links.carol}
${ringing}${sleeping}
Each link signs one browser in, once; after that the browser remembers. Another one:
  npm run carillon -- user token ${applicationKey} dave
Ctrl-C stops it; what it knows stays.
`;
}
