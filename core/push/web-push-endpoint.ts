/** Where a Web Push may go. An endpoint is what a client says it is: nobody points our Worker elsewhere. */

/** The push services of Chrome, Edge, Firefox and Safari. */
const known = [
  "fcm.googleapis.com",
  "*.push.services.mozilla.com",
  "*.push.apple.com",
  "*.notify.windows.com",
];

/** A stand-in on this machine may do without TLS. */
const loopback = new Set(["127.0.0.1", "localhost", "[::1]"]);

/**
 * Whether an endpoint is at a push service: one of the browsers', or one of `hosts`, which is
 * `WEB_PUSH_HOSTS` of the deployment ({@link PushSettings}).
 */
export function isPushEndpoint(url: string, hosts: string | undefined): boolean {
  // A URL is read leniently: with blanks in it, it may be another one than it looks like.
  if (!/^[!-~]+$/.test(url) || !URL.canParse(url)) return false;
  const { origin, protocol, host, hostname, username, password } = new URL(url);
  if (username || password) return false;
  const allowed = (hosts ?? "").split(",").map((entry) => entry.trim().toLowerCase());
  if (protocol === "http:") return loopback.has(hostname) && allowed.includes(origin);
  return protocol === "https:" && [...known, ...allowed].some((pattern) => fits(host, pattern));
}

/** `*.` stands for one label or more. A port that is not that of https has to be named. */
function fits(host: string, pattern: string): boolean {
  return pattern.startsWith("*.")
    ? host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1
    : host === pattern;
}
