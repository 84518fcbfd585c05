/** Which numbers and SIP domains a trunk may be dialled with: what it does not name costs nobody money. */
import type { PhoneNumber } from "./phone-number";
import type { PublicTrunk } from "./trunk";

/**
 * Whether a number, E.164 with its +, may be called through a trunk: the longest prefix that fits
 * decides, and one that refuses wins over the same one that allows.
 */
export function mayDial(
  { prefixes }: Pick<PublicTrunk, "prefixes">,
  number: string,
  kind: Pick<PhoneNumber, "premium" | "countryCallingCode">,
): boolean {
  let longest = "";
  let allowed = false;
  for (const rule of prefixes) {
    const refuses = rule.startsWith("!");
    const prefix = refuses ? rule.slice(1) : rule;
    if (!number.startsWith(prefix) || prefix.length < longest.length) continue;
    allowed = !refuses && (allowed || prefix.length > longest.length);
    longest = prefix;
  }
  if (!allowed || !kind.premium) return allowed;
  return longest.length > `+${kind.countryCallingCode}`.length;
}

/**
 * Whether a SIP address may be reached through a trunk. A number in it may come out in the phone network,
 * where it costs money and goes by other rules: at the trunk's own domain for certain, at another one if
 * the gateway does not look at domains. `*` is for neither, nor for what only the gateway can see.
 */
export function mayReach(
  { domains, fromDomain, url }: Pick<PublicTrunk, "domains" | "fromDomain" | "url">,
  address: string,
): boolean {
  const at = address.lastIndexOf("@");
  const host = hostOf(address.slice(at + 1));
  const own = [hostOf(fromDomain), new URL(url).hostname.toLowerCase()].includes(host);
  const number = isNumber(address.slice(0, at));
  if (domains.some((allowed) => hostOf(allowed) === host)) return !own || !number;
  return domains.includes("*") && !own && !number && isPublicName(host);
}

function hostOf(domain: string): string {
  return domain.replace(/:\d+$/, "").replace(/\.$/, "").toLowerCase();
}

/** A number of the phone network, however it is written; a telephone system's own are shorter. */
function isNumber(user: string): boolean {
  const plain = user.replace(/%([0-9a-f]{2})/gi, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
  const [name = ""] = plain.split(/[;,]/);
  const digits = name.replace(/[-.()\s]/g, "");
  return /^\+\d*$/.test(digits) || /^\d{6,}$/.test(digits);
}

/** Neither an address nor a name of the gateway's own network. */
function isPublicName(host: string): boolean {
  return /\.[a-z][a-z0-9-]*$/.test(host) && !/(^|\.)(localhost|local|internal|lan|home|arpa)$/.test(host);
}
