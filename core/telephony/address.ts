/** Whom a call to a line is for: read at the door, so that nothing in it can break out of a SIP header. */

import { type CallHeaders, type CallOperation, fail, ok, type Result, serverLimits } from "../../protocol";
import type { CallUser } from "../calls/call-data";
import { readPhoneNumber, testNumber } from "./phone-number";

/** Errors: invalidValue. */
export function resolveLine(
  applicationKey: string,
  { to, line, headers, video }: Extract<CallOperation, { op: "start" }>,
): Result<CallUser> {
  const problem = headersProblem(headers);
  if (problem) return fail("invalidValue", { detail: `headers: ${problem}` });
  if (line === "sip") {
    const address = readSipAddress(to);
    return address.ok ? ok({ applicationKey, userId: address.value, line }) : address;
  }
  if (video) return fail("invalidValue", { detail: "video: a phone has none" });
  if (to === testNumber) return ok({ applicationKey, userId: to, line: "test" });
  const number = readPhoneNumber(to);
  return number.ok ? ok({ applicationKey, userId: number.value.number, line: "phone" }) : number;
}

/** The user part as RFC 3261, 25.1 has it, without a password. */
const user = /^(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2}){1,128}$/;
const host = /^[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?$/;

/** `user@domain`, or that after `sip:`; the domain in lower case. Errors: invalidValue. */
export function readSipAddress(text: string): Result<string> {
  const wrong = (detail: string) => fail("invalidValue", { detail: `to: ${detail}` });
  const address = text.replace(/^sip:/i, "");
  const at = address.lastIndexOf("@");
  if (at < 1) return wrong("a SIP address is user@domain");
  const [name, domain] = [address.slice(0, at), address.slice(at + 1)];
  if (!user.test(name)) return wrong("the part before the @ has a character that no SIP address has");
  if (domain.length > 255 || !host.test(domain) || /(?:^|\.)-/.test(domain))
    return wrong("what follows the @ is no domain");
  return ok(`${name}@${domain.toLowerCase()}`);
}

/** What is wrong with headers that are to become headers of SIP. */
export function headersProblem(headers: CallHeaders): string | undefined {
  for (const [name, value] of Object.entries(headers)) {
    if (!/^x-[a-z0-9-]+$/i.test(name)) return "a name has to be x- and letters, digits or dashes";
    if (name.length > serverLimits.sipHeaderName) return `${name.slice(0, 20)}… is too long a name`;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for.
    if (/[\u0000-\u001f\u007f]/.test(value)) return `${name} has a line break or another control character`;
  }
  return undefined;
}
