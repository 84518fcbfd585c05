// @ts-check
/** The push services on this machine, and bob's phones, which sleep behind them. */
import { credentialsOf, openMaterial, phonesOf } from "../dev/push/material.mjs";
import { askAdmin, registrationToken } from "./demo.mjs";
import { pushSettings } from "./platform.mjs";
import { startStandIn } from "./stand-in.mjs";
import { Problem } from "./terminal.mjs";

/**
 * `url`: of the page that plays the phones; `settings`: for the platform.
 * @typedef {{ url: string, settings: Record<string, string>, exited: Promise<number>, stop: () => Promise<number> }} Phones
 */

/**
 * Starts the stand-ins for Apple, Google and a browser's push service, in a process of their own;
 * undefined when the environment names push services.
 *
 * @param {{ state: string, port: number, onLine: (line: string) => void }} options `port`: wanted for the page
 * @returns {Promise<Phones | undefined>} Errors: a {@link Problem} when they do not start
 */
export async function startPhones(options) {
  if (pushSettings.some((name) => process.env[name])) return undefined;
  return startStandIn("scripts/dev/push/main.mjs", { ...options, name: "The phones" });
}

/**
 * Gives the demo application its push credentials and bob his three phones. A second time changes nothing.
 *
 * @param {{ state: string, url: string, adminToken: string, applicationKey: string, pushService: string }} options
 */
export async function registerPhones({ state, pushService, ...application }) {
  const { url, applicationKey } = application;
  const material = openMaterial(state);
  for (const credential of credentialsOf(material)) {
    const path = `/applications/${applicationKey}/push/credentials`;
    const { status, body } = await askAdmin(application, "PUT", path, credential);
    if (status !== 200)
      throw new Problem(`The ${credential.provider} credential: ${body?.message ?? status}`);
  }
  for (const [deviceId, device] of Object.entries(phonesOf(material, pushService))) {
    const token = await registrationToken(application, "bob");
    const instance = await ask(`${url}/v1/instances`, { applicationKey, userId: "bob", deviceId, token });
    await ask(`${url}/v1/push/device`, device, instance.instanceToken);
  }
}

/** POST to register, PUT with an instance's token. @param {string} url @param {unknown} body @param {string} [token] */
async function ask(url, body, token) {
  const answer = await fetch(url, {
    method: token ? "PUT" : "POST",
    headers: { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  const read = await answer.json();
  if (!answer.ok) throw new Problem(`A phone was not registered: ${read.message ?? answer.status}`);
  return read;
}
