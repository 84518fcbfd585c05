/** Session timers, RFC 4028: who refreshes a call that nobody hears of, and when it counts as dead. */
import { serverLimits } from "../../../protocol";

export interface SessionTimer {
  /** Seconds from one refresh to the end of the session. */
  interval: number;
  /** We are the ones who refresh. */
  ours: boolean;
}

/** A message of SIP. */
interface Message {
  getHeader(name: string): string | undefined;
}

/** The least interval that anybody may ask for, seconds. */
const least = 90;

/** The longest interval that we go along with, seconds: setTimeout and alarms have no trouble with it. */
const most = 86_400;

/** The headers of the first INVITE; `interval`: what a 422 has asked for. */
export function offeredTimer(interval?: number): string[] {
  return [
    `Session-Expires: ${Math.max(interval ?? 0, serverLimits.sessionExpiresSeconds)}`,
    `Min-SE: ${interval ?? least}`,
  ];
}

/** The headers of a re-INVITE: it is as it was agreed. */
export function keptTimer(timer: SessionTimer | undefined): string[] {
  if (!timer) return [];
  return [`Session-Expires: ${timer.interval};refresher=${timer.ours ? "uac" : "uas"}`];
}

/** What the answer to our INVITE has settled; undefined: the session does not expire. */
export function timerOfAnswer(answer: Message): SessionTimer | undefined {
  return agreedByAnswer(expiresIn(answer));
}

/** What a re-INVITE or UPDATE of the far end asks for, and the headers of our answer. */
export function timerOfRequest(request: Message): ReturnType<typeof agreedByRequest> {
  const supported = request.getHeader("supported") ?? request.getHeader("k") ?? "";
  return agreedByRequest(expiresIn(request), /\btimer\b/.test(supported));
}

/** Both names that the header has. */
function expiresIn(message: Message): string | undefined {
  return message.getHeader("session-expires") ?? message.getHeader("x");
}

/** The same, of the header's text. */
export function agreedByAnswer(sessionExpires: string | undefined): SessionTimer | undefined {
  const parsed = parse(sessionExpires);
  return parsed && { interval: parsed.interval, ours: parsed.refresher !== "uas" };
}

/** The same, of the header's text. */
export function agreedByRequest(
  sessionExpires: string | undefined,
  farSupports: boolean,
): { timer: SessionTimer | undefined; headers: string[] } {
  const parsed = parse(sessionExpires);
  if (!parsed) return { timer: undefined, headers: [] };
  // One who does not know of timers cannot be the one who refreshes.
  const ours = parsed.refresher ? parsed.refresher === "uas" : !farSupports;
  const headers = [`Session-Expires: ${parsed.interval};refresher=${ours ? "uas" : "uac"}`];
  if (!ours) headers.push("Require: timer");
  return { timer: { interval: parsed.interval, ours }, headers };
}

/** When to refresh, or, where that is the far end's, when to give the call up: milliseconds after a refresh. */
export function timerDelay({ interval, ours }: SessionTimer): number {
  return ours ? interval * 500 : 1_000 * (interval - Math.min(32, Math.floor(interval / 3)));
}

/** The Min-SE of a 422, seconds; undefined where it is none. */
export function minimumOf(minSe: string | undefined): number | undefined {
  return parse(minSe)?.interval;
}

function parse(text: string | undefined): { interval: number; refresher?: "uac" | "uas" } | undefined {
  const match = /^\s*(\d{1,9})\s*(;.*)?$/s.exec(text ?? "");
  if (!match) return undefined;
  const interval = Math.min(most, Math.max(least, Number(match[1])));
  const refresher = /;\s*refresher\s*=\s*(uac|uas)/i.exec(match[2] ?? "")?.[1]?.toLowerCase();
  return { interval, ...((refresher === "uac" || refresher === "uas") && { refresher }) };
}
