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

/** Whether a SIP domain, with or without a port, may be reached through a trunk. */
export function mayReach({ domains }: Pick<PublicTrunk, "domains">, domain: string): boolean {
  const host = domain.replace(/:\d+$/, "").toLowerCase();
  return domains.some((allowed) => allowed === "*" || allowed.toLowerCase() === host);
}
