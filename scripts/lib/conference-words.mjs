// @ts-check
/** Conferences on the command line: its commands, and who is in. */

/**
 * A command, as `carillon-arguments.mjs` has them.
 * @typedef {[string[], string[], (values: [string, string], options: { app?: string | boolean }) => { method: string, path: string, body?: unknown }]} Command
 */

/** In the query: `..` cannot be in a path. */
function path(/** @type {unknown} */ app, /** @type {Record<string, string>} */ whom) {
  const query = new URLSearchParams(whom);
  return `/v1/admin/applications/${encodeURIComponent(String(app))}/conferences/id?${query}`;
}

/** About a conference. @returns {Command} */
function whole(/** @type {string} */ method) {
  return [
    ["conferenceId"],
    ["app!"],
    ([conferenceId], { app }) => ({ method, path: path(app, { conferenceId }) }),
  ];
}

/** About one who is in. @returns {Command} */
function one(/** @type {string} */ method, /** @type {object | undefined} */ body = undefined) {
  return [
    ["conferenceId", "callId"],
    ["app!"],
    ([conferenceId, callId], { app }) => ({
      method,
      path: path(app, { conferenceId, callId }),
      ...(body && { body }),
    }),
  ];
}

export const conferenceCommands = {
  "conference list": whole("GET"),
  "conference mute": one("PATCH", { command: "mute" }),
  "conference unmute": one("PATCH", { command: "unmute" }),
  "conference hold": one("PATCH", { command: "onhold" }),
  "conference resume": one("PATCH", { command: "resume" }),
  "conference kick": one("DELETE"),
  "conference kick-all": whole("DELETE"),
};

/**
 * A line for each who is in.
 *
 * @param {{ participants: { id: string, cli: string, duration: number, muted: boolean, onhold: boolean }[] }} answer
 */
export function participantsInWords({ participants }) {
  return participants
    .map(({ id, cli, duration, muted, onhold }) =>
      [id, cli, `${duration} s`, muted && "muted", onhold && "on hold"].filter(Boolean).join("  "),
    )
    .join("\n");
}
