// @ts-check
/** What a phone does with a push, in words. Runs in the page and in tests. */

/**
 * @typedef {import("../../../protocol").PushPayload} PushPayload
 *
 * @typedef {object} Words
 * @property {string} title
 * @property {string} [detail]
 * @property {number} [until] it rings until then, milliseconds since 1970
 * @property {string} [ends] the call that rings no more
 */

/** Why a call is over, as the one sees it who was called. @type {Record<string, string>} */
const causes = {
  canceled: "the caller hung up",
  hungUp: "the caller hung up",
  timeout: "nobody answered in time",
  noAnswer: "nobody answered in time",
  otherDeviceAnswered: "answered elsewhere",
  denied: "declined elsewhere",
  failure: "the call failed",
  inactive: "the caller is gone",
};

/** @param {string | undefined} sin as it came @returns {Words} */
export function inWords(sin) {
  const payload = read(sin);
  if (!payload) return { title: "A push that the app does not understand" };
  const sender =
    payload.name && payload.from ? `${payload.name} (${payload.from})` : (payload.name ?? payload.from);
  const headers = Object.entries(payload.headers ?? {});
  const detail = headers.length > 0 && { detail: headers.map((pair) => pair.join(": ")).join(", ") };
  switch (payload.type) {
    case "call": {
      const kind = payload.video ? "video call" : "call";
      return { title: `Incoming ${kind} from ${sender ?? "somebody"}`, ...detail, until: payload.until };
    }
    case "cancel": {
      const why = causes[payload.cause ?? ""] ?? payload.cause ?? "over";
      return { title: `Call from ${sender ?? "somebody"} cancelled: ${why}`, ends: payload.id };
    }
    default:
      return { title: `New message from ${sender ?? "the application"}`, ...detail };
  }
}

/** `0:07` until then. @param {number} until @param {number} now both in milliseconds */
export function countdown(until, now) {
  const seconds = Math.max(0, Math.ceil((until - now) / 1_000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param {string | undefined} sin @returns {PushPayload | undefined} */
export function read(sin) {
  try {
    const payload = JSON.parse(sin ?? "");
    return payload?.v === 1 && typeof payload.id === "string" ? payload : undefined;
  } catch {
    return undefined;
  }
}
