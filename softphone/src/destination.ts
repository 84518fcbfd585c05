/** Whom the dial field means: a user, a phone, or a SIP address. */
export type Kind = "user" | "phone" | "sip";

export const testNumber = "+46000000000";

/** What is most likely meant by what was typed; the person may say otherwise. */
export function kindOf(text: string): Kind {
  const typed = text.trim();
  if (/^(tel:.*|\+[\d\s().-]*)$/i.test(typed)) return "phone";
  if (/^sip:/i.test(typed)) return "sip";
  const [, domain = ""] = /^[^@\s]+@([^@\s]+)$/.exec(typed) ?? [];
  // What follows an @ may also be the key of another application.
  return /^[a-z\d-]+(\.[a-z\d-]+)+(:\d+)?$/i.test(domain) ? "sip" : "user";
}

/** What is called: numbers are pasted in many shapes. */
export function addressOf(text: string, kind: Kind): string {
  const typed = text.trim();
  if (kind === "phone") return typed.replace(/^tel:|[\s().-]/gi, "");
  return kind === "sip" ? typed.replace(/^sip:/i, "") : typed;
}

/** As it is remembered, beside users: it begins with what it is. */
export function remembered(address: string, kind: Kind = "user"): string {
  return { user: "", phone: "tel:", sip: "sip:" }[kind] + address;
}

/** Whether one that is remembered is somebody to write to. */
export function isUser(one: string): boolean {
  return !/^(tel|sip):/.test(one);
}

/** What is missing before it can be called; undefined for nothing. */
export function problemWith(text: string, kind: Kind): string | undefined {
  const address = addressOf(text, kind);
  if (address === "") return undefined;
  if (kind === "phone" && !/^\+\d{3,}$/.test(address))
    return address.startsWith("+")
      ? "A phone number has digits only after the +."
      : "A phone number begins with + and the code of its country: +46…";
  if (kind === "sip" && !/.@./.test(address)) return "A SIP address is somebody@a domain.";
  return undefined;
}
