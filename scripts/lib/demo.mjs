// @ts-check
/** The demo application, and the links that sign its users in. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { writePrivate } from "./state.mjs";
import { Problem } from "./terminal.mjs";

/**
 * `phones`: the page that plays bob's phones; `telephony`: the one where every number rings. Where there is one.
 * @typedef {{ phones?: string, telephony?: string }} Pages
 * @typedef {Pages & { url: string, applicationKey: string, applicationSecret: string, links: { alice: string, bob: string, carol: string } }} Demo
 */

/**
 * Makes the demo application on the first run, and fresh links on each; writes `demo.json`.
 *
 * @param {{ state: string, url: string, adminToken: string } & Pages} options
 * @returns {Promise<Demo>}
 */
export async function openDemo({ state, url, adminToken, ...pages }) {
  const path = join(state, "demo.json");
  const link = (/** @type {string} */ applicationKey, /** @type {string} */ user) =>
    signInLink({ url, adminToken, applicationKey }, user);
  let saved = readDemo(path);
  let alice = saved && (await link(saved.applicationKey, "alice"));
  if (!saved || !alice) {
    const { body } = await askAdmin({ url, adminToken }, "POST", "/applications", { name: "demo" });
    if (!body?.applicationKey || !body.applicationSecret)
      throw new Problem(`The demo application was not made: ${body?.message}`);
    saved = { applicationKey: body.applicationKey, applicationSecret: body.applicationSecret };
    alice = await link(saved.applicationKey, "alice");
  }
  const bob = await link(saved.applicationKey, "bob");
  const carol = await link(saved.applicationKey, "carol");
  if (!alice || !bob || !carol) throw new Problem("The demo application went away while it was made.");
  const { applicationKey, applicationSecret } = saved;
  const demo = { url, applicationKey, applicationSecret, links: { alice, bob, carol }, ...pages };
  writePrivate(path, `${JSON.stringify(demo, null, 2)}\n`);
  return demo;
}

/**
 * A link that signs one browser in; undefined when there is no such application.
 *
 * @param {Admin & { applicationKey: string }} application @param {string} user
 */
export async function signInLink({ applicationKey: key, ...admin }, user) {
  const token = await registrationToken({ applicationKey: key, ...admin }, user);
  // Behind the #: it reaches no server and no log.
  return token && `${admin.url}/#${new URLSearchParams({ key, user, token })}`;
}

/**
 * A token that registers one device of a user; undefined when there is no such application.
 *
 * @param {Admin & { applicationKey: string }} application @param {string} user @returns {Promise<string | undefined>}
 */
export async function registrationToken({ applicationKey, ...admin }, user) {
  const path = `/applications/${applicationKey}/users/${user}/token`;
  const { status, body } = await askAdmin(admin, "POST", path, { ttlSeconds: 3_600 });
  if (status === 404) return undefined;
  if (!body?.token) throw new Problem(`No token for ${user}: ${body?.message ?? status}`);
  return body.token;
}

/**
 * @typedef {{ url: string, adminToken: string }} Admin
 *
 * @param {Admin} admin @param {string} method @param {string} path below /v1/admin
 * @param {unknown} [body] a text is CSV
 * @returns {Promise<{ status: number, text: string, body: Record<string, string> }>} `body`: where it is JSON
 */
export async function askAdmin({ url, adminToken }, method, path, body) {
  const csv = typeof body === "string";
  const answer = await fetch(`${url}/v1/admin${path}`, {
    method,
    headers: {
      authorization: `Bearer ${adminToken}`,
      "content-type": csv ? "text/csv" : "application/json",
    },
    body: csv ? body : JSON.stringify(body),
  });
  const text = await answer.text();
  const json = answer.headers.get("content-type")?.includes("json");
  return { status: answer.status, text, body: json ? JSON.parse(text) : {} };
}

/** @param {string} path @returns {Pick<Demo, "applicationKey" | "applicationSecret"> | undefined} */
function readDemo(path) {
  if (!existsSync(path)) return undefined;
  const saved = JSON.parse(readFileSync(path, "utf8"));
  return saved.applicationKey && saved.applicationSecret ? saved : undefined;
}
