// @ts-check
/**
 * The stand-ins and the page of the phones as one process: `node main.mjs <state folder> <port>`. The
 * first line that it writes is JSON: the page's address, and the platform's settings.
 */
import { listen } from "./listen.mjs";
import { introduce, openMaterial } from "./material.mjs";
import { phonesPage } from "./phones.mjs";
import { startProviders } from "./providers.mjs";

const [state = "", wanted = "0"] = process.argv.slice(2);
const material = openMaterial(state);
const providers = await startProviders({ secret: material.accessSecret });
introduce(providers, material);
const page = phonesPage({ providers, material, state });
const { url } = await near(Number(wanted));
process.stdout.write(`${JSON.stringify({ url, settings: providers.settings })}\n`);

/** On the wanted port, or the next that is free. */
async function near(/** @type {number} */ port) {
  const take = async (/** @type {import("./listen.mjs").Asked} */ asked) => ({ answer: await page(asked) });
  for (let more = 0; more < 20; more++) {
    const listener = await listen(take, { port: port + more }).catch(() => undefined);
    if (listener) return listener;
  }
  return listen(take);
}
