/** Whom the dial field means: a user, a phone, a SIP address, or a conference. */
import type { Call } from "@carillon/sdk";

export type Kind = "user" | "phone" | "sip" | "conference";

export const testNumber = "+46000000000";

/** What is most likely meant by what was typed; the person may say otherwise. */
export function kindOf(text: string): Kind {
  const typed = plainly(text);
  if (typed.startsWith("#")) return "conference";
  if (/^(tel:.*|\+[\d\s()./\u2010-\u2015-]*)$/i.test(typed)) return "phone";
  if (/^sips?:/i.test(typed)) return "sip";
  const [, domain = ""] = /^[^@\s]+@([^@\s;?]+)([;?]\S*)?$/.exec(typed) ?? [];
  // What follows an @ may also be the key of another application.
  return /^[a-z\d-]+(\.[a-z\d-]+)+(:\d+)?$/i.test(domain) ? "sip" : "user";
}

/** What is called: numbers and addresses are pasted in many shapes. */
export function addressOf(text: string, kind: Kind): string {
  // Any text may name one: it is left as it is.
  if (kind === "conference") return text.trim().replace(/^[#\uff03]\s*/, "");
  const typed = plainly(text);
  if (kind === "user") return typed;
  if (kind === "sip") return typed.replace(/^sips?:/i, "").replace(/(@[^;?]*)[;?].*$/, "$1");
  const number = typed.replace(/^tel:|;.*$/gi, "");
  // The 0 is dialled inside the country only, without its code.
  return number.replace(/^(\+[^(]*)\(0\)/, "$1").replace(/[\s()./\u2010-\u2015-]/g, "");
}

/** Without what nobody sees, nor brackets and a name around it; and full-width characters as the usual ones. */
function plainly(text: string): string {
  const seen = text
    .normalize("NFKC")
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, "")
    .trim();
  const [, inside] = /<((?:sips?:|tel:|[^<>@\s]+@)[^<>]*)>/i.exec(seen) ?? [];
  return inside?.trim() ?? seen;
}

/** Whether what the person has chosen still holds: not for another text altogether that is of another kind. */
export function staysChosen(before: string, next: string): boolean {
  if (next.trim() === "") return false;
  return next.startsWith(before) || before.startsWith(next) || kindOf(before) === kindOf(next);
}

/** As it is remembered, beside users: it begins with what it is. */
export function remembered(address: string, kind: Kind = "user"): string {
  return { user: "", phone: "tel:", sip: "sip:", conference: "#" }[kind] + address;
}

/** What a call is with. */
export function kindOfCall({ conferenceId, line }: Pick<Call, "conferenceId" | "line">): Kind {
  return conferenceId === undefined ? (line ?? "user") : "conference";
}

/** Whether one that is remembered is somebody to write to. */
export function isUser(one: string): boolean {
  return !/^(tel:|sip:|#)/.test(one);
}

/** What is missing before it can be called; undefined for nothing. */
export function problemWith(text: string, kind: Kind): string | undefined {
  const address = addressOf(text, kind);
  if (address === "") return undefined;
  if (kind === "phone" && !/^\+\d{3,}$/.test(address))
    return address.startsWith("+")
      ? "A phone number has digits only after the +."
      : "A phone number begins with + and the code of its country: +46…";
  if (kind === "conference" && [...address].length > 64)
    return "A conference's name has 64 characters at most.";
  if (kind === "sip" && !/^[^@\s]+@[^@\s]+$/.test(address)) return "A SIP address is somebody@a domain.";
  if (kind === "user" && !/^[!-~]{1,40}(@[\da-f-]{36})?$/.test(address))
    return "A user id has 40 characters at most: letters, digits and signs, no spaces.";
  return undefined;
}
