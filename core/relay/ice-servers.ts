/** Where a browser gets its STUN and TURN servers from, with credentials made for one user. */
import * as z from "zod/mini";
import { fail, type IceServer, type IceServersResult, ok, type Result } from "../../protocol";

/** The part of a deployment's settings that is about the relay. */
export interface RelaySettings {
  /** Cloudflare TURN: https://developers.cloudflare.com/realtime/turn/ */
  TURN_KEY_ID?: string;
  TURN_KEY_API_TOKEN?: string;
  /** Where the Cloudflare API is; a test puts a stand-in there. */
  TURN_API_URL?: string;
  /** Any TURN server with a shared secret: comma-separated `turn:host:port?transport=udp`. */
  TURN_URLS?: string;
  TURN_SECRET?: string;
  /** Comma-separated `stun:host:port`. */
  STUN_URLS?: string;
}

/** What reaches outside; a test puts its own here. */
export interface RelayMeans {
  fetch: typeof fetch;
  /** Milliseconds since 1970. */
  now: () => number;
}

const ttlSeconds = 86_400;
const timeoutMs = 5_000;

/** One URL may come as a string; W3C webrtc-pc, RTCIceServer. */
const generated = z.object({
  iceServers: z.array(
    z.object({
      urls: z.union([z.string(), z.array(z.string())]),
      username: z.optional(z.string()),
      credential: z.optional(z.string()),
    }),
  ),
});

/**
 * ICE servers for a user, good for a day: Cloudflare TURN when a key is set, else any TURN server
 * with a shared secret, and the STUN servers; none of it gives an empty list, which is enough on
 * one network. `userName` is a label in the relay's log.
 *
 * Errors: unavailable, when Cloudflare does not answer as it should within 5 seconds.
 */
export async function iceServersFor(
  settings: RelaySettings,
  userName: string,
  means: RelayMeans,
): Promise<Result<IceServersResult>> {
  const expiresAt = means.now() + ttlSeconds * 1_000;
  const stun = list(settings.STUN_URLS);
  const servers: IceServer[] = stun.length > 0 ? [{ urls: stun }] : [];
  if (settings.TURN_KEY_ID && settings.TURN_KEY_API_TOKEN) {
    const relay = await cloudflareServers(settings, means.fetch);
    if (!relay.ok) return relay;
    servers.push(...relay.value);
  } else if (settings.TURN_URLS && settings.TURN_SECRET) {
    servers.push(await sharedSecretServer(settings.TURN_URLS, settings.TURN_SECRET, userName, expiresAt));
  }
  return ok({ iceServers: servers.flatMap(withoutBlockedPort), expiresAt });
}

/** https://developers.cloudflare.com/realtime/turn/generate-credentials/ */
async function cloudflareServers(
  settings: RelaySettings,
  fetcher: typeof fetch,
): Promise<Result<IceServer[]>> {
  const base = settings.TURN_API_URL || "https://rtc.live.cloudflare.com";
  const url = `${base}/v1/turn/keys/${settings.TURN_KEY_ID}/credentials/generate-ice-servers`;
  // AbortSignal.timeout would keep the Durable Object awake until it fires, also after the answer.
  const aborter = new AbortController();
  const timer = setTimeout(() => aborter.abort(), timeoutMs);
  try {
    const response = await fetcher(url, {
      method: "POST",
      headers: {
        authorization: `Bearer ${settings.TURN_KEY_API_TOKEN}`,
        "content-type": "application/json",
      },
      body: JSON.stringify({ ttl: ttlSeconds }),
      signal: aborter.signal,
    });
    if (!response.ok) {
      await response.body?.cancel();
      return fail("unavailable", { detail: `The TURN service answered ${response.status}.` });
    }
    const parsed = generated.safeParse(await response.json());
    if (!parsed.success) return fail("unavailable", { detail: "The TURN service gave no ICE servers." });
    return ok(parsed.data.iceServers.map((server) => ({ ...server, urls: [server.urls].flat() })));
  } catch {
    return fail("unavailable", { detail: "The TURN service cannot be reached." });
  } finally {
    clearTimeout(timer);
  }
}

/** coturn's `use-auth-secret`; draft-uberti-behave-turn-rest-00. */
async function sharedSecretServer(
  urls: string,
  secret: string,
  userName: string,
  expiresAt: number,
): Promise<IceServer> {
  const username = `${Math.floor(expiresAt / 1_000)}:${userName}`;
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", encoder.encode(secret), algorithm, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, encoder.encode(username));
  return { urls: list(urls), username, credential: btoa(String.fromCharCode(...new Uint8Array(mac))) };
}

/** Browsers refuse to talk to port 53, and waste seconds on it. */
function withoutBlockedPort(server: IceServer): IceServer[] {
  const urls = server.urls.filter((url) => !/:53(\?|$)/.test(url));
  return urls.length > 0 ? [{ ...server, urls }] : [];
}

function list(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}
