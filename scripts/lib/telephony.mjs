// @ts-check
/** The telephone network on this machine, and what the demo application needs to call there. */
import { askAdmin } from "./demo.mjs";
import { startStandIn } from "./stand-in.mjs";
import { Problem } from "./terminal.mjs";

/**
 * `url`: of the page where the phones ring.
 * @typedef {{ url: string, trunk: { url: string, user: string, password: string, fromDomain: string }, exited: Promise<number>, stop: () => Promise<number> }} Telephony
 */

const trunkName = "The phones of this machine";
/** One of those that Sweden keeps for films. */
const callerId = "+46846500400";
const accountId = "default";
/** Micro-units: 10 of the currency. */
const credit = 10_000_000;

/** Prices as they might be. What has no line of its own is elsewhere. */
const rateCard = `prefix,name,perMinute,connectFee,increment
1,USA and Canada,0.012,0,60
44,United Kingdom,0.018,0,1
46,Sweden,0.015,0,1
467,Sweden: mobile,0.045,0.02,1
49,Germany,0.02,0,1
870,Inmarsat: at sea,6.5,0.5,30
${[2, 3, 4, 5, 6, 7, 8, 9].map((prefix) => `${prefix},Elsewhere,0.25,0,60\n`).join("")}`;

/**
 * Undefined when the environment wants none of it: CARILLON_TRUNK=off.
 *
 * @param {{ state: string, port: number, onLine: (line: string) => void }} options `port`: wanted for the page
 * @returns {Promise<Telephony | undefined>} Errors: a {@link Problem} when it does not start
 */
export async function startTelephony(options) {
  if (process.env.CARILLON_TRUNK === "off") return undefined;
  return startStandIn("scripts/dev/telephony/main.mjs", { ...options, name: "The telephone network" });
}

/**
 * Gives the demo application its trunk and some credit, and the platform a rate card where it has
 * none. A second time changes nothing.
 *
 * @param {import("./demo.mjs").Admin & { applicationKey: string, trunk: Telephony["trunk"] }} options
 */
export async function openTelephony({ applicationKey, trunk, ...admin }) {
  /** @param {string} method @param {string} path @param {unknown} [body] */
  const ask = async (method, path, body) => {
    const answer = await askAdmin(admin, method, path, body);
    if (answer.status < 300) return answer;
    throw new Problem(`${method} ${path}: ${answer.body.detail ?? answer.body.message ?? answer.status}.`);
  };
  const trunks = `/applications/${applicationKey}/trunks`;
  const { body } = await ask("GET", trunks);
  const all = /** @type {{ id: string, name: string }[]} */ (/** @type {unknown} */ (body.trunks));
  const mine = all.find(({ name }) => name === trunkName);
  // The last to be tried: whoever has a trunk of their own calls over that.
  const wanted = { ...trunk, name: trunkName, callerId, preference: 1_000, prefixes: ["+"], domains: ["*"] };
  if (mine) await ask("PUT", `${trunks}/${mine.id}`, wanted);
  else await ask("POST", trunks, wanted);
  const { text } = await ask("GET", "/rates");
  if (text.trim().split("\n").length < 2) await ask("PUT", "/rates", rateCard);
  await ask("POST", `/accounts/${accountId}/top-ups`, { amount: credit, key: "demo", note: "To try it" });
  await ask("PATCH", `/accounts/${accountId}`, { showBalance: true });
}
