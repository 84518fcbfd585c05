/**
 * The life of a conference, as a pure function: {@link step} takes the room, something that happened and the
 * time, and gives the room afterwards and what is to be done outside. What is said to participants is in
 * their outboxes.
 */
import { errorBody, ok, type Result, type RoomOperation } from "../../protocol";
import type { LogEntry } from "../calls/call-data";
import { describeBridge, failBridge, hearGateway, overdueBridges } from "./bridges";
import {
  assureAgain,
  callOut,
  dropStale,
  hearAnswered,
  hearCallee,
  hearStarted,
  invite,
  isDue,
  noteBefore,
  staleCallouts,
  takeIn,
} from "./callouts";
import type { Means, RoomInput, RoomStep, Run } from "./inputs";
import { overfull } from "./outbox";
import { askAll, askSfu, conclude, disownTracks, hearMedia, loseChanges, relay, sfuDue } from "./relay";
import { type Room, type Seat, seatOf } from "./room-data";
import { command, dismiss, join, kick, kickAll, leave, setMedia, setPresent } from "./roster";

const done = ok(null);
/** Nothing takes so long: not the three requests of one change at the SFU, each given up after ten seconds. */
const lostMs = 45_000;
const tooMuch = errorBody("tooLarge", { detail: "too much was signalled to another participant" });

/** One step of a conference. The room that is given is not changed. */
export function step(before: Room, input: RoomInput, now: number, means: Means): RoomStep {
  const run: Run = {
    room: structuredClone(before),
    now,
    means,
    changed: false,
    effects: [],
    asking: new Set(),
  };
  const result = react(run, input);
  if (!result.ok) return { room: before, changed: false, effects: [], result };
  for (let seat = overfull(run.room); seat; seat = overfull(run.room)) {
    dismiss(run, seat, "failure", errorBody("tooLarge", { detail: "too much waits in the conference" }));
  }
  disownTracks(run);
  askSfu(run);
  const { room, changed, effects } = run;
  return { room, changed, effects, result };
}

/** The next time at which {@link step} wants `{ type: "time" }`; null for never. */
export function nextDue(room: Room, now: number): number | null {
  const times = room.seats.flatMap((seat) => [
    ...(seat.bridge?.by === undefined || seat.state === "leaving" ? [] : [seat.bridge.by]),
    ...(isDue(seat) ? [now + lostMs] : []),
    ...(seat.calling?.answered === undefined ? [] : [seat.calling.answered + lostMs]),
  ]);
  times.push(...staleCallouts(room), ...sfuDue(room, now, lostMs));
  return times.length === 0 ? null : Math.min(...times);
}

function react(run: Run, input: RoomInput): Result<null> {
  switch (input.type) {
    case "join":
      return join(run, input);
    case "callOut":
      return callOut(run, input);
    case "command":
      return command(run, input.id, input.command);
    case "kick":
      return kick(run, input.id);
    case "kickAll":
      return kickAll(run);
    case "woke":
      loseChanges(run, Number.POSITIVE_INFINITY);
      assureAgain(run, Number.POSITIVE_INFINITY);
      dropStale(run);
      return done;
    case "time":
      loseChanges(run, run.now - lostMs);
      assureAgain(run, run.now - lostMs);
      dropStale(run);
      // What the SFU has refused is asked for again.
      askAll(run);
      for (const { phone, host } of overdueBridges(run.room, run.now)) {
        if (host) giveUpBridge(run, host, phone.id);
      }
      return done;
    case "sfu":
      conclude(run, input);
      return done;
  }
  const seat = seatOf(run.room, input.id);
  if (!seat) return done;
  if (input.type === "heard") hear(run, seat, input.entries);
  else if (input.type === "started") hearStarted(run, seat, input.result);
  else if (input.type === "assured") {
    if (seat.state === "calling" && seat.calling?.answered !== undefined) takeIn(run, seat, input.session);
  } else leave(run, seat, "failure", errorBody("unavailable", { detail: "the call was lost" }));
  return done;
}

/** What has happened in a participant's call. */
function hear(run: Run, seat: Seat, entries: Pick<LogEntry, "seq" | "event">[]): void {
  for (const { seq, event } of entries) {
    if (seq <= seat.heard) continue;
    seat.heard = seq;
    if (event.event === "ended") {
      leave(run, seat, event.cause, event.error);
      return;
    }
    if (seat.state === "calling") {
      hearCallee(run, seat, event);
      if (event.event === "media" || event.event === "present") noteBefore(run, seat, event);
      if (event.event === "answered") hearAnswered(run, seat, event);
      else if (event.event === "earlyMedia") hearGateway(run, seat, event);
    } else if (seat.state === "in") {
      if (event.event === "media") setMedia(run, seat, event.media);
      else if (event.event === "present") setPresent(run, seat, event.present);
      else if (event.event === "description") hearGateway(run, seat, event);
      else if (event.event === "operation") carryOut(run, seat, event.operation);
    }
  }
}

/** What a participant wants. */
function carryOut(run: Run, seat: Seat, op: RoomOperation): void {
  // A phone has no words for the room.
  if (seat.line) return;
  switch (op.type) {
    case "signal":
      if (!relay(run, seat, op)) dismiss(run, seat, "failure", tooMuch);
      return;
    case "invite":
      invite(run, seat, op);
      return;
    case "bridge":
      describeBridge(run, seat, op);
      return;
    case "bridgeFailed":
      giveUpBridge(run, seat, op.id);
      return;
    case "publish":
    case "sfuAnswer":
    case "show":
      hearMedia(run, seat, op);
      return;
  }
}

function giveUpBridge(run: Run, host: Seat, id: string): void {
  const phone = failBridge(run, host, id);
  if (phone) dismiss(run, phone, "failure", errorBody("mediaFailed", { detail: "nobody could be its host" }));
}
