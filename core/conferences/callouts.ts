/** Calls that a conference makes, to bring a user, a phone or a SIP address in. */
import {
  type CallEvent,
  type CallResult,
  errorBody,
  fail,
  isUserId,
  limits,
  ok,
  type Result,
  type RoomOperation,
  serverLimits,
} from "../../protocol";
import type { CallUser, RoomNotice } from "../calls/call-data";
import { resolveLine } from "../telephony/address";
import { findHost, giveHost, hearGateway, offerNext } from "./bridges";
import type { RoomInput, Run } from "./inputs";
import { say } from "./outbox";
import { type Callout, expected, type Room, type Seat, seatOf } from "./room-data";
import { admit, dismiss, enter, hasSpace, leave, needsSfu, newSeat } from "./roster";

const done = ok(null);
/** A callout that could not be started for so long is not worth it any more. */
const staleMs = 60_000;

/** Errors: those of {@link mayCall}; conflict (the id is in use). Said again, it changes nothing. */
export function callOut(
  run: Run,
  { id, callout, reference }: Pick<Extract<RoomInput, { type: "callOut" }>, "id" | "callout" | "reference">,
): Result<null> {
  const { to } = callout;
  const { room, now } = run;
  const former = seatOf(room, id);
  if (former) {
    const same = former.userId === to.userId && former.line === to.line && former.state !== "leaving";
    return same ? done : fail("conflict", { detail: "the id is in use" });
  }
  if (to.line === "test" || to.line === "conference")
    return fail("invalidValue", { detail: "to: nobody is there who could take part" });
  const inviter = seatOf(room, callout.inviter)?.userId;
  const allowed = mayCall(run, to, inviter);
  if (!allowed.ok) return allowed;
  const { userId, line } = to;
  // The first word's number is the start's.
  const seat = newSeat({ id, userId, ...(line && { line }), reference }, callout.video, 2);
  seat.calling = { ...callout, since: now };
  if (line && inviter !== undefined) seat.invitedBy = inviter;
  room.seats.push(seat);
  run.changed = true;
  giveHost(run, seat);
  run.effects.push({ type: "log", event: "calling", id, reference });
  return done;
}

/** Errors: conferenceFull, sfuMissing, hostMissing, rateLimited. */
function mayCall({ room, means }: Run, { line, userId }: CallUser, inviter?: string): Result<null> {
  const space = hasSpace(room, line ? undefined : userId);
  if (!space.ok) return space;
  const all = expected(room);
  const phones = all.filter((seat) => seat.line).length;
  if (line) {
    if (phones >= serverLimits.conferencePhones)
      return fail("conferenceFull", { detail: `${serverLimits.conferencePhones} phones are the most` });
    if (!findHost(room)) return fail("hostMissing");
    const most = means.phonesPerUser ?? serverLimits.phoneCallsPerUser;
    const invited = all.filter((seat) => inviter !== undefined && seat.invitedBy === inviter).length;
    if (invited >= most)
      return fail("rateLimited", { detail: `${most} calls to phones at a time`, retryAfter: 5 });
  } else if (room.plan === "mesh" && !means.sfu && all.length - phones >= limits.meshParticipants)
    return fail("sfuMissing");
  const wait = means.takeCallout();
  return wait > 0
    ? fail("rateLimited", { detail: "too many calls of this conference", retryAfter: wait })
    : done;
}

/** A participant brings somebody in. */
export function invite(run: Run, inviter: Seat, op: Extract<RoomOperation, { type: "invite" }>): void {
  const { id, video = false } = op;
  const to = resolve(run.room.applicationKey, op);
  const callout = (callee: CallUser): Callout => ({
    to: callee,
    // A phone would show it as a number.
    ...(!callee.line && { displayName: inviter.displayName ?? inviter.userId }),
    video,
    headers: {},
    inviter: inviter.id,
  });
  const { reference } = inviter;
  const called = to.ok ? callOut(run, { id, callout: callout(to.value), reference }) : to;
  if (called.ok) return;
  say(run, { type: "invitation", id, state: "ended", cause: "failure", error: called.error }, inviter);
}

/** Errors: invalidValue. */
function resolve(
  applicationKey: string,
  { to, line, video = false }: Extract<RoomOperation, { type: "invite" }>,
): Result<CallUser> {
  if (line) return resolveLine(applicationKey, { op: "start", to, line, video, headers: {} });
  return isUserId(to)
    ? ok({ applicationKey, userId: to })
    : fail("invalidValue", { detail: "to: not a user id" });
}

/** Its session has the call, or will not have it. */
export function hearStarted(run: Run, seat: Seat, result: Result<CallResult>): void {
  if (!seat.calling || seat.calling.started) return;
  if (!result.ok) leave(run, seat, "failure", result.error);
  else if (result.value.ended) leave(run, seat, result.value.ended.cause, result.value.ended.error);
  // Need not be stored: started again, it is the same call.
  else seat.calling.started = true;
}

/** It is not in, so nobody is to hear of this: they hear of it all when it comes in. */
export function noteBefore(
  run: Run,
  seat: Seat,
  event: Extract<CallEvent | RoomNotice, { event: "media" | "present" }>,
): void {
  if (event.event === "media") seat.media = event.media;
  else if (event.present) delete seat.away;
  else seat.away = true;
  run.changed = true;
}

type Answered = Extract<CallEvent, { event: "answered" }>;

/** An event of a call that nobody had answered. */
export function hearCallee(run: Run, seat: Seat, event: { event: string }): void {
  const { calling } = seat;
  if (!calling) return;
  // Stored with the first sign of life: after that it is not to be started again.
  if (!calling.told) run.changed = true;
  calling.started = true;
  const { event: state } = event;
  if ((state === "progressing" && !calling.told) || (state === "ringing" && calling.told !== "ringing")) {
    calling.told = state;
    say(run, { type: "invitation", id: seat.id, state }, seatOf(run.room, calling.inviter));
  }
}

export function hearAnswered(run: Run, seat: Seat, event: Answered): void {
  const { calling, line, id } = seat;
  if (!calling) return;
  if (!line && needsSfu(run.room) && run.means.sfu) {
    calling.answered = run.now;
    run.changed = true;
    run.effects.push({ type: "assure", id });
    return;
  }
  if (!line) takeIn(run, seat);
  else {
    comeIn(run, seat);
    hearGateway(run, seat, event);
    offerNext(run, seat);
  }
}

/** There is a session with the SFU for one that has waited for it, or there can be none. */
export function takeIn(run: Run, seat: Seat, session?: string): void {
  const admitted = admit(run, session);
  if (admitted.ok) comeIn(run, seat, session);
  else dismiss(run, seat, "failure", admitted.error);
}

function comeIn(run: Run, seat: Seat, session?: string): void {
  const inviter = seatOf(run.room, seat.calling?.inviter);
  enter(run, seat, session);
  say(run, { type: "invitation", id: seat.id, state: "answered" }, inviter);
}

/** Those that wait for the SFU since then, or longer, are seen to again. */
export function assureAgain(run: Run, since: number): void {
  for (const { id, calling } of expected(run.room)) {
    if (calling?.answered === undefined || calling.answered > since) continue;
    calling.answered = run.now;
    run.effects.push({ type: "assure", id });
  }
}

/** When callouts that cannot be started are given up. */
export function staleCallouts(room: Room): number[] {
  return room.seats.flatMap((seat) => (seat.calling && isDue(seat) ? [seat.calling.since + staleMs] : []));
}

/** Whether one of them has been started after all, nobody knows: it is hung up. */
export function dropStale(run: Run): void {
  for (const seat of expected(run.room)) {
    if (!seat.calling || !isDue(seat) || seat.calling.since + staleMs > run.now) continue;
    dismiss(run, seat, "failure", errorBody("unavailable", { detail: "the call could not be started" }));
  }
}

/** Its session is to be told to start it. */
export function isDue({ calling, line }: Seat): boolean {
  return calling !== undefined && !calling.started && (!line || calling.offer !== undefined);
}
