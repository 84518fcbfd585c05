// @ts-check
/** What stands in for the world outside, in a process of its own: push services, the telephone network. */
import { startLeashed } from "./processes.mjs";
import { root, toolNode } from "./project.mjs";
import { Problem } from "./terminal.mjs";

/**
 * Starts a script with the state folder and the wanted port. The line of JSON that begins with `url`
 * says that it is ready; all others are handed on.
 *
 * @template {{ exited: Promise<number>, stop: () => Promise<number> }} StandIn
 * @param {string} script @param {{ name: string, state: string, port: number, onLine: (line: string) => void }} options
 * @returns {Promise<StandIn>} what that line says, and the process. Errors: a {@link Problem} when it does not start
 */
export async function startStandIn(script, { name, state, port, onLine }) {
  /** @type {(ready: object) => void} */
  let tell = () => {};
  const ready = new Promise((/** @type {typeof tell} */ resolve) => {
    tell = resolve;
  });
  const child = startLeashed([toolNode(), script, state, String(port)], {
    cwd: root,
    onLine: (line) => (line.startsWith('{"url"') ? tell(JSON.parse(line)) : onLine(line)),
  });
  const found = await Promise.race([ready, child.exited.then(() => undefined)]);
  if (!found) throw new Problem(`${name} did not start.`);
  return /** @type {StandIn} */ ({ ...found, ...child });
}
