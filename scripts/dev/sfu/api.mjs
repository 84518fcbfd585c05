// @ts-check
/**
 * Cloudflare Realtime's Connection API, as far as a conference needs it and as strict as it is documented:
 * https://developers.cloudflare.com/realtime/sfu/api/ and the error codes beside it.
 */
import { randomBytes } from "node:crypto";
import { listen } from "../push/listen.mjs";
import { invalid, Refusal } from "./refusal.mjs";

/**
 * @typedef {import("./session.mjs").Session} Session
 * `settings`: for the platform. `requests`: how many there were.
 * @typedef {{ url: string, settings: { SFU_URL: string, SFU_APP_ID: string, SFU_APP_SECRET: string }, sessions: Map<string, Session>, requests: () => number, close: () => Promise<void> }} Sfu
 * @typedef {{ tracks: import("./session.mjs").Track[], sessionDescription?: import("./session.mjs").Description, force: boolean }} Given
 */

/** In one request. */
const mostTracks = 64;
/** Of one session, in a second. */
const requestsPerSecond = 50;

/** @param {{ port?: number, appId?: string, secret?: string }} [options] `port` 0: any that is free @returns {Promise<Sfu>} */
export async function startSfu({
  port = 0,
  appId = randomBytes(16).toString("hex"),
  secret = randomBytes(32).toString("hex"),
} = {}) {
  /** @type {Map<string, Session>} */
  const sessions = new Map();
  let requests = 0;
  const find = (/** @type {string} */ id) => sessions.get(id);
  const rate = rateOf();
  const take = async (/** @type {import("../push/listen.mjs").Asked} */ asked) => {
    requests += 1;
    try {
      const [, app, session, action] =
        /^\/v1\/apps\/([^/]+)\/sessions\/([^/]+)(?:\/([a-z/]+))?$/.exec(asked.path) ?? [];
      // Whoever is not let in does not hear what there is.
      if (asked.headers.authorization !== `Bearer ${secret}`)
        throw new Refusal(401, "unauthorized", "the secret is not that of the app");
      if (app !== appId || !session) throw new Refusal(404, "not_found", "no such app, or no such path");
      if (session === "new" && asked.method === "POST" && !action) {
        // WebRTC takes 40 MB that most never need.
        const { Session } = await import("./session.mjs");
        const made = new Session({ id: randomBytes(16).toString("hex"), find });
        sessions.set(made.id, made);
        return answer(201, { sessionId: made.id });
      }
      const found = sessions.get(session);
      if (!found || found.closed)
        throw new Refusal(410, "session_error", "the session is over, or never was");
      if (!rate(session)) throw new Refusal(429, "too_many_requests", "50 in a second are enough");
      const way = ways[`${asked.method} ${action ?? ""}`];
      if (!way) throw new Refusal(404, "not_found", "no such path");
      return answer(200, await way(found, read(asked)));
    } catch (error) {
      if (error instanceof Refusal) return answer(error.status, error.body);
      process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
      return answer(500, { errorCode: "internal_error", errorDescription: String(error) });
    }
  };
  const listener = await listen(take, { port });
  const sweeping = setInterval(() => {
    for (const [id, session] of sessions) if (!session.sweep()) sessions.delete(id);
  }, 1_000);
  return {
    url: listener.url,
    settings: { SFU_URL: `${listener.url}/v1`, SFU_APP_ID: appId, SFU_APP_SECRET: secret },
    sessions,
    requests: () => requests,
    async close() {
      clearInterval(sweeping);
      for (const session of sessions.values()) session.close();
      await listener.close();
    },
  };
}

/** @type {Record<string, (session: Session, given: Given) => object | Promise<object>>} */
const ways = {
  "GET ": (session) => session.state(),
  "POST tracks/new"(session, { tracks, sessionDescription }) {
    const places = new Set(tracks.map(({ location }) => location));
    if (places.size !== 1) throw invalid("tracks are all local, or all remote");
    if (tracks.length > mostTracks) throw invalid(`at most ${mostTracks} tracks`);
    if (places.has("local")) return session.publish(tracks, sessionDescription);
    if (sessionDescription) throw invalid("remote tracks come without an offer");
    return session.pull(tracks);
  },
  "PUT renegotiate": (session, { sessionDescription }) => session.renegotiate(sessionDescription),
  "PUT tracks/update": (session, { tracks }) => session.update(tracks),
  "PUT tracks/close"(session, { tracks, force, sessionDescription }) {
    if (tracks.length === 0) throw invalid("at least one track");
    return session.closeTracks(tracks, force, sessionDescription);
  },
};

/** @param {import("../push/listen.mjs").Asked} asked @returns {Given} */
function read({ body, headers }) {
  if (body.length === 0) return { tracks: [], force: false };
  if (!headers["content-type"]?.startsWith("application/json")) throw undecodable("application/json, please");
  /** @type {any} */
  let given;
  try {
    given = JSON.parse(body.toString());
  } catch {
    throw undecodable("no JSON");
  }
  const { tracks = [], sessionDescription, force = false } = given ?? {};
  const isText = (/** @type {unknown} */ value) => value === undefined || typeof value === "string";
  if (!Array.isArray(tracks)) throw undecodable("tracks is no list");
  for (const { location, mid, sessionId, trackName } of tracks)
    if (![location, mid, sessionId, trackName].every(isText)) throw undecodable("a track's field is no text");
  if (
    sessionDescription &&
    ![sessionDescription.type, sessionDescription.sdp].every((one) => one && isText(one))
  )
    throw undecodable("the description is none");
  return { tracks, sessionDescription, force: force === true };
}

const undecodable = (/** @type {string} */ why) => new Refusal(400, "decoding_error", why);

/** @returns {(session: string) => boolean} false: it is too much */
function rateOf() {
  /** @type {Map<string, number>} */
  let counts = new Map();
  let second = 0;
  return (session) => {
    const now = Math.floor(performance.now() / 1_000);
    if (now !== second) counts = new Map();
    second = now;
    counts.set(session, (counts.get(session) ?? 0) + 1);
    return (counts.get(session) ?? 0) <= requestsPerSecond;
  };
}

/** @param {number} status @param {object} body */
const answer = (status, body) => ({
  answer: { status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
});
