// @ts-check
/**
 * The SFU as one process: `node main.mjs <state folder> <port>`. The first line that it writes is JSON:
 * its address, and the platform's settings.
 */
import { startSfu } from "./api.mjs";

const wanted = Number(process.argv[3] ?? 0);
const { url, settings } = await near();
process.stdout.write(`${JSON.stringify({ url, settings })}\n`);

/** On the wanted port, or the next that is free. */
async function near() {
  for (let more = 0; more < 20; more++) {
    const started = await startSfu({ port: wanted + more }).catch(() => undefined);
    if (started) return started;
  }
  return startSfu();
}
