/** What becomes part of a SIP header: text that cannot end the header, its quotes or its brackets. */
import { Grammar } from "sip.js/lib/grammar/grammar.js";
import type { URI } from "sip.js/lib/grammar/uri.js";
import { type CallHeaders, limits, serverLimits } from "../../../protocol";
import type { CallUser } from "../../calls/call-data";
import { headersProblem } from "../address";
import type { PublicTrunk } from "../trunk";

/** Control characters, line breaks of Unicode, and halves of a character that UTF-8 cannot write. */
const unwritable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}]+/gu;

/** A display name as it stands between quotes, without what would end or escape them. */
export function quotable(text: string): string {
  const words = text
    .replace(unwritable, " ")
    .replace(/["\\<>]/g, "")
    .trim();
  // Our own parser has to read it when it comes back in an answer.
  return Grammar.nameAddrHeaderParse(`"${words}" <sip:a@b.invalid>`) ? words : "";
}

/** Whom the INVITE is for; undefined where no SIP address can be made of it. */
export function targetOf(
  { line, userId }: CallUser,
  trunk: Pick<PublicTrunk, "fromDomain">,
): URI | undefined {
  return parseUri(line === "phone" ? `sip:${userId}@${trunk.fromDomain}` : `sip:${userId}`);
}

/** Who calls. */
export function fromOf({ callerId, user, fromDomain }: PublicTrunk): URI | undefined {
  return trunkUri(callerId ?? user, fromDomain);
}

/** A trunk's user may have characters that an address has to escape. */
export function trunkUri(user: string, domain: string): URI | undefined {
  try {
    return parseUri(`sip:${encodeURIComponent(user).replaceAll("%2B", "+")}@${domain}`);
  } catch {
    return undefined;
  }
}

export function parseUri(text: string): URI | undefined {
  try {
    const uri = Grammar.URIParse(text);
    // What it writes is what leaves: it throws for a user part that is no UTF-8.
    return uri && !/[\s<>"]/.test(uri.toString()) ? uri : undefined;
  } catch {
    return undefined;
  }
}

/** The `x-` headers of a call, as lines. They were checked at the door, and are once more. */
export function headerLines(headers: CallHeaders): string[] {
  return Object.entries(headers)
    .filter(([name, value]) => headersProblem({ [name]: value }) === undefined)
    .map(([name, value]) => `${name}: ${value.replace(unwritable, " ")}`);
}

/** A message's headers, by their names in lower case. */
export interface HeaderSource {
  headers: Record<string, { raw: string }[] | undefined>;
}

/** The `x-` headers that the far end has added, as many as fit into a call. */
export function callHeadersOf({ headers }: HeaderSource): CallHeaders | undefined {
  const found: CallHeaders = {};
  let room: number = limits.headersBytes;
  for (const [name, values] of Object.entries(headers)) {
    const value = values?.[0]?.raw ?? "";
    const size = new TextEncoder().encode(name + value).byteLength;
    const key = name.toLowerCase();
    if (name.length > serverLimits.sipHeaderName || headersProblem({ [key]: value }) || size > room) continue;
    room -= size;
    found[key] = value;
  }
  return Object.keys(found).length > 0 ? found : undefined;
}
