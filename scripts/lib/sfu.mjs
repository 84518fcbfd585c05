// @ts-check
/** The SFU on this machine, for conferences of more than 6. */
import { sfuSettings } from "./platform.mjs";
import { startStandIn } from "./stand-in.mjs";

/**
 * `settings`: for the platform.
 * @typedef {{ url: string, settings: Record<string, string>, exited: Promise<number>, stop: () => Promise<number> }} Sfu
 */

/**
 * Undefined when the environment names an SFU, or wants none: CARILLON_SFU=off.
 *
 * @param {{ state: string, port: number, onLine: (line: string) => void }} options `port`: wanted for its API
 * @returns {Promise<Sfu | undefined>} Errors: a `Problem` when it does not start
 */
export async function startSfu(options) {
  if (process.env.CARILLON_SFU === "off" || sfuSettings.some((name) => process.env[name])) return undefined;
  return startStandIn("scripts/dev/sfu/main.mjs", { ...options, name: "The SFU" });
}
