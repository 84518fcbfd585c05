// @ts-check
/** The demo application, and the links that sign its two users in. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "./state.mjs";
import { Problem } from "./terminal.mjs";

/** @typedef {{ url: string, applicationKey: string, applicationSecret: string, links: { alice: string, bob: string } }} Demo */

/**
 * Makes the demo application on the first run, and fresh links on each; writes `demo.json`.
 *
 * @param {{ state: string, url: string, adminToken: string, fetch?: typeof globalThis.fetch }} options
 * @returns {Promise<Demo>}
 */
export async function openDemo({ state, url, adminToken, fetch = globalThis.fetch }) {
  const path = join(state, "demo.json");
  const post = async (/** @type {string} */ where, /** @type {unknown} */ body) => {
    const answer = await fetch(`${url}/v1/admin/applications${where}`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: await answer.json() };
  };
  const link = async (/** @type {string} */ key, /** @type {string} */ user) => {
    const { status, body } = await post(`/${key}/users/${user}/token`, { ttlSeconds: 3_600 });
    if (status === 404) return undefined;
    if (!body.token) throw new Problem(`No token for ${user}: ${body.message ?? status}`);
    // Behind the #: it reaches no server and no log.
    return `${url}/#${new URLSearchParams({ key, user, token: body.token })}`;
  };
  let saved = readDemo(path);
  let alice = saved && (await link(saved.applicationKey, "alice"));
  if (!saved || !alice) {
    const { body } = await post("", { name: "demo" });
    if (!body.applicationKey) throw new Problem(`The demo application was not made: ${body.message}`);
    saved = { applicationKey: body.applicationKey, applicationSecret: body.applicationSecret };
    alice = await link(saved.applicationKey, "alice");
  }
  const bob = await link(saved.applicationKey, "bob");
  if (!alice || !bob) throw new Problem("The demo application went away while it was made.");
  const { applicationKey, applicationSecret } = saved;
  const demo = { url, applicationKey, applicationSecret, links: { alice, bob } };
  writePrivate(path, `${JSON.stringify(demo, null, 2)}\n`);
  return demo;
}

/** @param {string} path @returns {Pick<Demo, "applicationKey" | "applicationSecret"> | undefined} */
function readDemo(path) {
  if (!existsSync(path)) return undefined;
  const saved = JSON.parse(readFileSync(path, "utf8"));
  return saved.applicationKey && saved.applicationSecret ? saved : undefined;
}
