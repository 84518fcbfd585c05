/** What is different in the life of a call with a conference: the room takes the place of one side. */
import { fail, ok, type Result } from "../../protocol";
import type { RoomWords } from "../conferences/words";
import { type CallData, isSameUser, type RoomNotice, type Side } from "./call-data";
import { tell } from "./call-log";
import type { CallInput } from "./inputs";
import { establish, other, progress, type Run, take } from "./moves";

/** The side that a conference has. */
export function roomSide({ caller, callee }: CallData): Side | undefined {
  if (caller.line === "conference") return "caller";
  return callee.line === "conference" ? "callee" : undefined;
}

/** Somebody who speaks with the room itself; a phone speaks with its host. */
export function isParticipant(call: CallData, side: Side): boolean {
  return roomSide(call) === other(side) && call[side].line === undefined;
}

/** Tells the room what no caller or callee needs to hear. */
export function notify(call: CallData, notice: RoomNotice): void {
  const side = roomSide(call);
  if (side && call.state !== "ended") tell(call, side, notice);
}

/** The room has taken the caller in. */
function seat(run: Run, connection: string): void {
  const { call } = run;
  if (call.state !== "initiating") return;
  progress(run, { devices: 1 });
  take(run, connection, { candidates: [] });
  establish(run);
}

/**
 * Words of the room: those that were applied are passed over, and what follows a gap waits until the room
 * has sent all. `carryOut` does its operations.
 */
export function hearRoom(
  run: Run,
  { from, connection, said }: Extract<CallInput, { type: "room" }>,
  carryOut: (side: Side, word: Extract<RoomWords["words"][number], { word: "operation" }>["op"]) => void,
): Result<null> {
  const { call } = run;
  const side = roomSide(call);
  if (!side || !isSameUser(call[side], from)) return fail("notFound");
  if (call.state === "ended") return fail("conflict", { detail: "the call has ended" });
  if (side === "callee") seat(run, connection);
  const applied = call.applied[connection] ?? 0;
  if (said.n > applied + 1) return ok(null);
  const fresh = said.words.slice(applied + 1 - said.n);
  const events = fresh.flatMap((word) => (word.word === "event" ? [word.event] : []));
  if (events.length > 0) tell(call, other(side), { event: "room", room: events });
  for (const word of fresh) if (word.word === "operation") carryOut(side, word.op);
  call.applied[connection] = applied + fresh.length;
  return ok(null);
}
