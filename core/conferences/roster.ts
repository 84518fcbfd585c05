/** Who is in a conference: coming, going, and what is known of each. */
import {
  type EndCause,
  type ErrorBody,
  errorBody,
  fail,
  limits,
  type MediaState,
  ok,
  type ParticipantChange,
  type Result,
  type Silence,
  serverLimits,
} from "../../protocol";
import { handOver } from "./bridges";
import type { Command, RoomInput, Run } from "./inputs";
import { hangUp, say, sayToOthers, withdrawSignals } from "./outbox";
import { askAll } from "./relay";
import { expected, infoOf, present, type Room, type Seat, seatOf, users } from "./room-data";
import { dropSfu } from "./sfu/planner";
import { newSfuSeat } from "./sfu/seat";

const done = ok(null);
const talking: Silence = { muted: false, held: false };

/** One more user is more than a mesh takes. */
export function needsSfu(room: Room): boolean {
  return room.plan === "mesh" && users(room).length >= limits.meshParticipants;
}

export function join(run: Run, input: Extract<RoomInput, { type: "join" }>): Result<null> {
  const { room } = run;
  const { id, session, video, type: _, ...who } = input;
  const former = seatOf(room, id);
  if (former) return former.state === "in" ? done : fail("conflict", { detail: "the id is in use" });
  const space = hasSpace(room, input.userId);
  if (!space.ok) return space;
  const admitted = admit(run, session);
  if (!admitted.ok) return admitted;
  const seat = newSeat({ id, ...who }, video, 1);
  room.seats.push(seat);
  enter(run, seat, session);
  return done;
}

export function newSeat(
  who: Pick<Seat, "id" | "userId" | "displayName" | "line" | "reference">,
  video: boolean,
  n: number,
): Seat {
  return {
    ...who,
    state: "calling",
    joined: 0,
    media: { muted: false, held: false, video: video ? "on" : "off" },
    silence: talking,
    heard: 0,
    outbox: { n, words: [] },
  };
}

/** For one more, who is this user or, without one, a phone. Errors: conferenceFull. */
export function hasSpace(room: Room, userId?: string): Result<null> {
  const all = expected(room);
  if (all.length >= serverLimits.conferenceParticipants) return fail("conferenceFull");
  const most = serverLimits.conferenceSeatsPerUser;
  const seats = all.filter((seat) => !seat.line && seat.userId === userId).length;
  return seats < most ? done : fail("conferenceFull", { detail: `one user is in ${most} times at most` });
}

/** Sees to it that there is room for one more user. Errors: sfuMissing, unavailable (it has no session). */
export function admit(run: Run, session: string | undefined): Result<null> {
  const { room, means } = run;
  if (!needsSfu(room)) return done;
  if (!means.sfu) return fail("sfuMissing");
  if (session === undefined) return fail("unavailable", { detail: "the SFU cannot be reached" });
  room.plan = "sfu";
  for (const { id } of users(room)) room.sfu[id] = newSfuSeat();
  say(run, { type: "plan", plan: "sfu" }, ...users(room));
  run.effects.push({ type: "log", event: "plan" });
  return done;
}

/** Takes a seat in: it hears who is there, once, and the others hear of it. */
export function enter(run: Run, seat: Seat, session?: string): void {
  const { room } = run;
  const others = room.seats.filter(({ id }) => id !== seat.id);
  const last = Math.max(0, ...others.map(({ joined }) => joined));
  Object.assign(seat, { state: "in", joined: Math.max(run.now, last + 1) });
  delete seat.calling;
  room.seats = [...others, seat];
  if (room.plan === "sfu" && !seat.line) room.sfu[seat.id] = newSfuSeat(session);
  const { conferenceId: conference, plan } = room;
  const participants = present(room).flatMap((one) => (one.id === seat.id ? [] : [infoOf(one)]));
  say(run, { type: "joined", conference, plan, participants, silence: seat.silence }, seat);
  sayToOthers(run, { type: "participantJoined", participant: infoOf(seat) }, seat);
  run.changed = true;
  run.effects.push({ type: "log", event: "joined", id: seat.id, reference: seat.reference });
}

/** Its call is over. */
export function leave(run: Run, seat: Seat, cause: EndCause, error?: ErrorBody): void {
  const { room } = run;
  const former = seat.state;
  room.seats = room.seats.filter(({ id }) => id !== seat.id);
  run.changed = true;
  if (former !== "leaving") tellLeft(run, seat, former, cause, error);
}

/** Ends its call. It is out from here on, whenever its call hears of that. */
export function dismiss(run: Run, seat: Seat, cause: EndCause, error?: ErrorBody): void {
  const { state: former, calling } = seat;
  if (former === "leaving") return;
  if (calling && seat.line && !calling.offer) {
    // There is no call yet.
    leave(run, seat, cause, error);
    return;
  }
  seat.state = "leaving";
  hangUp(run, seat, error);
  tellLeft(run, seat, former, cause, error);
  // What was not started is not to be. Where a start is under way, the hang-up comes after it.
  delete seat.calling;
}

function tellLeft(run: Run, seat: Seat, former: Seat["state"], cause: EndCause, error?: ErrorBody): void {
  const { room } = run;
  const { id, host, calling, reference } = seat;
  if (former === "in") {
    sayToOthers(run, { type: "participantLeft", id }, seat);
    withdrawSignals(room, id);
    dropSfu(room.sfu, id);
    askAll(run);
    run.effects.push({ type: "log", event: "left", id, reference });
  } else {
    const event = { type: "invitation", id, state: "ended", cause, ...(error && { error }) } as const;
    say(run, event, seatOf(room, calling?.inviter));
  }
  say(run, { type: "bridgeEnded", id }, seatOf(room, host));
  for (const phone of handOver(run, id)) dismiss(run, phone, phone.state === "in" ? "hungUp" : "canceled");
  if (expected(room).length === 0) Object.assign(room, { plan: "mesh", sfu: {} });
}

/** The app's server takes one out, or nobody answers any more whom it would call. Errors: notFound. */
export function kick(run: Run, id: string): Result<null> {
  const seat = seatOf(run.room, id);
  if (!seat || seat.state === "leaving") return fail("notFound");
  run.effects.push({ type: "log", event: "kicked", id, reference: seat.reference });
  dismiss(run, seat, seat.state === "in" ? "hungUp" : "canceled", errorBody("removed"));
  return done;
}

/** Errors: notFound (nobody is there). */
export function kickAll(run: Run): Result<null> {
  const all = expected(run.room);
  if (all.length === 0) return fail("notFound");
  // One may take others along.
  for (const { id } of all) kick(run, id);
  return done;
}

// ---- what is known of each --------------------------------------------------------------------

export function setMedia(run: Run, seat: Seat, media: MediaState): void {
  seat.media = media;
  tellChange(run, seat, { media });
}

export function setPresent(run: Run, seat: Seat, isPresent: boolean): void {
  if (isPresent === !seat.away) return;
  if (isPresent) delete seat.away;
  else seat.away = true;
  tellChange(run, seat, { away: isPresent ? null : true });
}

/** Errors: notFound. */
export function command(run: Run, id: string, what: Command): Result<null> {
  const seat = seatOf(run.room, id);
  // One that waits for the SFU hears of it when it comes in, and so do the others.
  const waits = seat?.state === "calling" && seat.calling?.answered !== undefined;
  if (!seat || (seat.state !== "in" && !waits)) return fail("notFound");
  const silence = { ...seat.silence };
  if (what === "mute" || what === "unmute") silence.muted = what === "mute";
  else silence.held = what === "hold";
  const { muted, held } = seat.silence;
  if (silence.muted === muted && silence.held === held) return done;
  seat.silence = silence;
  run.changed = true;
  if (waits) return done;
  say(run, { type: "silence", silence }, seat);
  tellChange(run, seat, { silence });
  return done;
}

function tellChange(run: Run, seat: Seat, change: Omit<ParticipantChange, "id">): void {
  run.changed = true;
  sayToOthers(run, { type: "participantChanged", change: { id: seat.id, ...change } }, seat);
}
