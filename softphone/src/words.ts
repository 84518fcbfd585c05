/** What the softphone says: the SDK's states, causes and numbers in plain words. */
import type { CallState, EndCause } from "@carillon/sdk";
import { type CallRate, formatMoney } from "@carillon/sdk/credits";

type Direction = "outgoing" | "incoming";

/** What {@link nameOf} looks at. */
export interface Named {
  conferenceId?: string | undefined;
  remoteUserId: string;
  remoteDisplayName?: string | undefined;
}

/** Whom, or what, a call is with. */
export function nameOf({ conferenceId, remoteDisplayName, remoteUserId }: Named): string {
  return conferenceId === undefined ? remoteDisplayName || remoteUserId : `#${conferenceId}`;
}

/** `0:42`, `12:07`, `1:00:03`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1_000));
  const two = (value: number) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** What {@link stateLine} looks at. */
export interface Situation {
  state: CallState;
  direction: Direction;
  /** What was called, if that is no user. */
  line?: "phone" | "sip" | undefined;
  /** With a conference, and not with somebody. */
  conference?: boolean;
  /** Since the call was established. */
  connectedMs: number;
  held: boolean;
  remoteHeld: boolean;
  /** Media has stopped coming through, and the SDK works on it. */
  interrupted: boolean;
  /** The active connection is away; the call goes on without it. */
  offline: boolean;
  name: string;
}

/** The line under the name. */
export function stateLine(now: Situation): string {
  const joins = now.state === "initiating" || now.state === "progressing" || now.state === "ringing";
  if (now.conference && joins) return now.direction === "incoming" ? "Invitation" : "Joining…";
  switch (now.state) {
    case "initiating":
      return now.direction === "incoming" ? "Incoming call" : "Calling…";
    case "progressing":
      if (now.direction === "incoming") return "Incoming call";
      return now.line ? "Reaching the phone network…" : "Reaching a device…";
    case "ringing":
      return now.direction === "incoming" ? "Incoming call" : "Ringing…";
    case "answered":
      return "Connecting…";
    case "ended":
      return "Call ended";
    case "established": {
      const time = duration(now.connectedMs);
      if (now.interrupted) return `Reconnecting… ${time}`;
      if (now.held) return `On hold ${time}`;
      if (now.remoteHeld) return `${now.name} put you on hold ${time}`;
      if (now.conference && !now.offline) return `In the conference ${time}`;
      return now.offline ? `Connected ${time} · server away, the call goes on` : `Connected ${time}`;
    }
  }
}

/** Why a call ended, for the person who was in it. */
export function endWords(
  cause: EndCause,
  direction: Direction,
  name: string,
  talkedMs: number | null,
): string {
  const incoming = direction === "incoming";
  switch (cause) {
    case "hungUp":
      return talkedMs === null ? "The call was hung up." : `You talked for ${duration(talkedMs)}.`;
    case "denied":
      return incoming ? "The call was declined." : `${name} declined.`;
    case "noAnswer":
      return incoming ? `You missed a call from ${name}.` : `${name} did not answer.`;
    case "timeout":
      return incoming ? `You missed a call from ${name}.` : `${name} could not be reached.`;
    case "canceled":
      return incoming ? `${name} gave up before you answered.` : "You cancelled the call.";
    case "otherDeviceAnswered":
      return "The call was answered on another device.";
    case "inactive":
      return "The connection was lost for too long.";
    case "insufficientFunds":
      return "The account ran out of credit.";
    case "failure":
      return "The call failed.";
    case "none":
      return "The call ended.";
  }
}

/** Why one is not in a conference any more, or did not come in; the error says more where there is one. */
export function leftWords(cause: EndCause, error: string | undefined, talkedMs: number | null): string {
  if (error === "removed") return "You were taken out of the conference.";
  if (cause === "hungUp" && talkedMs !== null) return `You were in the conference for ${duration(talkedMs)}.`;
  if (cause === "canceled") return "You did not join the conference.";
  if (cause === "denied") return "You declined the invitation.";
  if (cause === "noAnswer" || cause === "timeout") return "You missed an invitation to the conference.";
  if (cause === "otherDeviceAnswered" || cause === "inactive")
    return endWords(cause, "incoming", "", talkedMs);
  return talkedMs === null ? "You could not join the conference." : "The conference is over for you.";
}

/** What {@link invitationWords} looks at. */
export interface InvitationNews {
  state: "progressing" | "ringing" | "answered" | "ended";
  endCause?: EndCause | undefined;
  error?: { message: string; sip?: { status: number; reason: string } | undefined } | undefined;
}

/** What becomes of somebody who was invited, after the name. */
export function invitationWords(told: InvitationNews | undefined): string {
  if (!told || told.state === "progressing") return "is being called…";
  if (told.state === "ringing") return "is being rung…";
  if (told.state === "answered") return "is in";
  const { endCause, error } = told;
  if (error?.sip) return `was not reached: ${sipWords(error.sip)}`;
  if (endCause === "denied") return "declined";
  if (endCause === "noAnswer") return "did not answer";
  if (endCause === "timeout") return "could not be reached";
  if (endCause === "hungUp") return "has left";
  return error ? `did not come: ${error.message}` : "did not come";
}

/** What the app's server has decided over this person's head. */
export function silenceWords({ muted, held }: { muted: boolean; held: boolean }): string | undefined {
  if (held) return "The organiser has put you on hold: you hear nobody, and nobody hears you.";
  return muted ? "The organiser has muted you: nobody hears you, whatever the button says." : undefined;
}

const sipStatuses: Record<number, string> = {
  400: "The phone network did not understand the call",
  403: "The phone network does not allow this call",
  404: "No such number",
  408: "No answer",
  410: "This number is not in use any more",
  480: "Not available now",
  484: "The number is incomplete",
  486: "Busy",
  488: "The other side speaks no codec of ours",
  500: "The phone network has trouble",
  502: "The phone network has trouble",
  503: "The phone network is overloaded",
  504: "The other side's network did not answer",
  600: "Busy everywhere",
  603: "Declined",
  604: "No such number",
};

/** What a SIP status means to the person who called (RFC 3261, 21). */
export function sipWords({ status, reason }: { status: number; reason: string }): string {
  if (status === 401 || status === 407) return "The phone network does not accept this account's password";
  return sipStatuses[status] ?? (reason || "The phone network refused the call");
}

/** `$0.02 a minute`, and what else is charged. */
export function rateWords({ currency, perMinute, connectFee }: CallRate): string {
  const money = (amount: number) => formatMoney({ currency, amount });
  const fee = connectFee > 0 ? ` and ${money(connectFee)} once` : "";
  return perMinute + connectFee === 0 ? "free" : `${money(perMinute)} a minute${fee}`;
}

/** The numbers of a call's quality that are shown; any may be missing. */
export interface Numbers {
  mos?: number | null;
  roundTripMs?: number | null;
  jitterMs?: number | null;
  /** 0 to 1. */
  lossRatio?: number | null;
}

/** What a mean opinion score sounds like (ITU-T G.107, annex B). */
export function opinion(mos: number): "Excellent" | "Good" | "Fair" | "Poor" | "Bad" {
  if (mos >= 4.3) return "Excellent";
  if (mos >= 4) return "Good";
  if (mos >= 3.6) return "Fair";
  return mos >= 3.1 ? "Poor" : "Bad";
}

/** The parts of the quality line, in order. */
export function qualityParts({ mos, roundTripMs, jitterMs, lossRatio }: Numbers): string[] {
  return [
    typeof mos === "number" && `${opinion(mos)} (MOS ${mos.toFixed(1)})`,
    typeof roundTripMs === "number" && `round trip ${Math.round(roundTripMs)} ms`,
    typeof jitterMs === "number" && `jitter ${Math.round(jitterMs)} ms`,
    typeof lossRatio === "number" && `loss ${(lossRatio * 100).toFixed(1)} %`,
  ].filter((part) => part !== false);
}

/** One or two letters for the round picture of somebody without one. */
export function initials(name: string): string {
  const parts = name.split(/[\s._-]+/).filter(Boolean);
  const letters = parts.length > 1 ? [parts[0]?.[0], parts.at(-1)?.[0]] : [...(parts[0] ?? "?")].slice(0, 1);
  return letters.join("").toUpperCase();
}

/** The page's title, which calls while it rings: it changes with each second. */
export function pageTitle(ringing: string | undefined, now: number, unread: number): string {
  const calling = ringing !== undefined && Math.floor(now / 1_000) % 2 === 0;
  if (calling) return `${ringing} is calling`;
  return unread > 0 ? `(${unread}) Carillon` : "Carillon";
}

const times = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekdays = new Intl.DateTimeFormat(undefined, { weekday: "long" });
const dates = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });
const shortDates = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

/** `14:03`, or as the reader's country has it. */
export function timeOfDay(time: number): string {
  return times.format(time);
}

/** Today, yesterday, a weekday, or the date. */
export function dayOf(time: number, now: number): string {
  const days = daysBetween(time, now);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return days > 1 && days < 7 ? weekdays.format(time) : dates.format(time);
}

/** When a conversation was alive last, in few characters. */
export function shortTime(time: number, now: number): string {
  const days = daysBetween(time, now);
  if (days === 0) return timeOfDay(time);
  return days === 1 ? "Yesterday" : shortDates.format(time);
}

/** Midnights between two times, where the reader is. */
function daysBetween(time: number, now: number): number {
  const midnight = (at: number) => new Date(at).setHours(0, 0, 0, 0);
  // A day with a change of clocks has 23 or 25 hours.
  return Math.round((midnight(now) - midnight(time)) / 86_400_000);
}
