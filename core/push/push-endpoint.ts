/** Where Web Pushes go: an endpoint comes from a device, and nobody points our Worker elsewhere. */
import type { PushSettings } from "./settings";

/** Chrome and its kin, Firefox, Safari, Edge. */
const services = [
  "fcm.googleapis.com",
  "*.push.services.mozilla.com",
  "*.push.apple.com",
  "*.notify.windows.com",
];

/** On this machine a stand-in may do without TLS. */
const loopback = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** Whether pushes may be sent there: https on a known push service, or what `WEB_PUSH_HOSTS` allows. */
export function isPushEndpoint(endpoint: string, allowed: PushSettings["WEB_PUSH_HOSTS"]): boolean {
  if (!URL.canParse(endpoint)) return false;
  const url = new URL(endpoint);
  if (url.username !== "" || url.password !== "") return false;
  const more = (allowed ?? "").split(",").map((entry) => entry.trim().toLowerCase());
  if (url.protocol === "http:") return loopback.has(url.hostname) && more.includes(url.origin);
  if (url.protocol !== "https:") return false;
  return more.includes(url.origin) || [...services, ...more].some((host) => isOn(host, url.host));
}

function isOn(host: string, found: string): boolean {
  return host.startsWith("*.") ? found.endsWith(host.slice(1)) : host !== "" && host === found;
}
