// @ts-check
/** The page that plays bob's phones: what arrived, as it arrives, and a way to wake the app with it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { signInLink } from "../../lib/demo.mjs";
import { control } from "./control.mjs";

/**
 * @typedef {import("./desk.mjs").Push} Push
 * @typedef {import("./listen.mjs").Answer} Answer
 * @typedef {import("./listen.mjs").Asked} Asked
 * @typedef {import("./providers.mjs").Providers} Providers
 * @typedef {import("./material.mjs").Material} Material
 *
 * @typedef {object} Shown a push as the page gets it
 * @property {number} number
 * @property {number} time
 * @property {"iphone" | "android" | "browser"} phone
 * @property {string} kind what the provider calls it
 * @property {string} answer what the provider said
 * @property {boolean} delivered
 * @property {string} [sin]
 * @property {[string, string][]} facts
 */

/**
 * @param {{ providers: Providers, material: Material, state: string }} options `state`: the folder
 * @returns {(asked: Asked) => Promise<Answer>}
 */
export function phonesPage({ providers, material, state }) {
  const { book } = providers;
  const shown = (/** @type {Push} */ push) => show(push, material);
  return async (asked) => {
    // Other names of this machine may be somebody else's.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(asked.headers.host ?? ""))
      return text(403, "Not from there.");
    const answer = control(providers, asked);
    if (answer) return answer;
    const { pathname } = new URL(asked.path, "http://phones");
    if (asked.method !== "GET") return text(404, "There is no such thing here.");
    if (pathname === "/") return file("page.html", "text/html");
    if (pathname === "/words.mjs") return file("words.mjs", "text/javascript");
    if (pathname === "/events") return events(book, shown, Number(asked.headers["last-event-id"] ?? 0));
    const woken = /^\/wake\/(\d+)$/.exec(pathname)?.[1];
    const push = book.pushes.find(({ number }) => number === Number(woken));
    if (push?.sin === undefined) return text(404, "There is no such push any more.");
    return wake(push.sin, state);
  };
}

/**
 * All that came since, and then each as it comes.
 *
 * @param {import("./desk.mjs").Book} book @param {(push: Push) => Shown | undefined} shown @param {number} since
 * @returns {Answer}
 */
function events(book, shown, since) {
  const headers = { "content-type": "text/event-stream", "cache-control": "no-store" };
  return {
    status: 200,
    headers,
    stream(out) {
      const tell = (/** @type {Push} */ push) => {
        const one = shown(push);
        if (one) out.write(`id: ${push.number}\ndata: ${JSON.stringify(one)}\n\n`);
      };
      out.write("\n");
      for (const push of book.pushes) if (push.number > since) tell(push);
      book.on("push", tell);
      out.on("close", () => book.off("push", tell));
    },
  };
}

/** To the softphone, signed in as bob, with what the push says. @param {string} sin @param {string} state */
async function wake(sin, state) {
  const read = (/** @type {string} */ name) => JSON.parse(readFileSync(join(state, name), "utf8"));
  try {
    const { url, applicationKey } = read("demo.json");
    const adminToken = read("secrets.json").ADMIN_TOKEN;
    const link = await signInLink({ url, applicationKey, adminToken }, "bob");
    if (!link) return text(502, "The demo application is gone: start npm start again.");
    const headers = { location: `${link}&push=${encodeURIComponent(sin)}`, "cache-control": "no-store" };
    return { status: 303, headers };
  } catch (error) {
    return text(502, `The platform gave no link: ${error instanceof Error ? error.message : error}`);
  }
}

/** @param {Push} push @param {Material} material @returns {Shown | undefined} undefined: it is for no phone of these */
function show(push, { iphone, android, browser }) {
  const { number, time, delivered, sin, token, problem } = push;
  const phone = [iphone.voipToken, iphone.alertToken].includes(token)
    ? "iphone"
    : token === android.token
      ? "android"
      : token.endsWith(`/push/${browser.id}`)
        ? "browser"
        : undefined;
  if (!phone) return undefined;
  const { kind, facts } = about(push);
  const answer = typeof push.answer === "string" ? lost[push.answer] : Object.values(push.answer).join(" ");
  const all = /** @type {[string, string | undefined][]} */ ([...facts, ["problem", problem]]);
  const known = all.flatMap(([name, value]) =>
    value === undefined ? [] : [/** @type {[string, string]} */ ([name, value])],
  );
  return { number, time, phone, kind, answer, delivered, ...(sin !== undefined && { sin }), facts: known };
}

const lost = { never: "never answered", cut: "cut off" };

/** @param {Push} push @returns {{ kind: string, facts: [string, string | undefined][] }} */
function about({ provider, headers, body, bytes }) {
  const size = /** @type {[string, string]} */ (["bytes", String(bytes)]);
  if (provider === "apns") {
    const names = ["apns-topic", "apns-priority", "apns-expiration", "apns-collapse-id"];
    const alert = /** @type {{ aps?: { alert?: unknown } } | undefined} */ (body)?.aps?.alert;
    const shown = /** @type {[string, string | undefined]} */ (["alert", alert && JSON.stringify(alert)]);
    const kind = { voip: "VoIP push", alert: "alert", background: "background push" };
    return {
      kind: kind[/** @type {"voip"} */ (headers["apns-push-type"])] ?? "push",
      facts: [...names.map((name) => /** @type {[string, string]} */ ([name, headers[name]])), shown, size],
    };
  }
  if (provider === "fcm") {
    const message = /** @type {{ message?: { android?: Record<string, string> } } | undefined} */ (body)
      ?.message;
    const { priority, ttl, collapse_key } = message?.android ?? {};
    return {
      kind: "data message",
      facts: [["priority", priority], ["ttl", ttl], ["collapse_key", collapse_key], size],
    };
  }
  const names = ["urgency", "ttl", "topic", "content-encoding"];
  return {
    kind: "Web Push",
    facts: [...names.map((name) => /** @type {[string, string]} */ ([name, headers[name]])), size],
  };
}

/** @param {string} name @param {string} type @returns {Answer} */
function file(name, type) {
  const body = readFileSync(new URL(name, import.meta.url), "utf8");
  const headers = { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" };
  return { status: 200, headers, body };
}

/** @param {number} status @param {string} body @returns {Answer} */
function text(status, body) {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body };
}
