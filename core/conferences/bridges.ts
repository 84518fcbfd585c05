/**
 * Phones in a conference. A phone has one peer connection, with a participant that is its host: the room
 * carries descriptions between that and the phone's gateway, and finds another host when one leaves.
 */
import type { CallEvent, RoomOperation, SessionDescription } from "../../protocol";
import type { Run } from "./inputs";
import { operate, say, sayToOthers } from "./outbox";
import { expected, type Room, type Seat, seatOf, users } from "./room-data";

/** A host makes its offer in a moment; one that has lost its connection comes back within so long, or not at all. */
const offerMs = 30_000;

/** Who can be a host: of those with the fewest phones the earliest. One that is away is the last choice. */
export function findHost(room: Room, except?: string): Seat | undefined {
  const load = (id: string) => expected(room).filter(({ host }) => host === id).length;
  const rank = ({ id, away }: Seat) => load(id) + (away ? 1_000 : 0);
  const able = users(room).filter(({ id }) => id !== except);
  return able.reduce<Seat | undefined>(
    (best, seat) => (best && rank(best) <= rank(seat) ? best : seat),
    undefined,
  );
}

/** Answers false when there is nobody. */
export function giveHost(run: Run, phone: Seat): boolean {
  if (!phone.line) return false;
  const again = phone.host !== undefined;
  delete phone.host;
  // Who has failed once is better than nobody.
  const host = findHost(run.room, phone.bridge?.failed) ?? findHost(run.room);
  if (!host) return false;
  const { id, line } = phone;
  phone.host = host.id;
  const { asked, failed } = phone.bridge ?? {};
  phone.bridge = { by: run.now + offerMs, ...(asked && { asked }), ...(failed && { failed }) };
  say(run, { type: "bridge", id, line, ...(again && { again }) }, host);
  if (phone.state === "in")
    sayToOthers(run, { type: "participantChanged", change: { id, host: host.id } }, phone);
  return true;
}

/** Finds another host for the phones of one that has left. Answers those that have none. */
export function handOver(run: Run, leaver: string): Seat[] {
  const phones = expected(run.room).filter(({ host }) => host === leaver);
  return phones.filter((phone) => !giveHost(run, phone));
}

/** What a host says to its phone's gateway. */
export function describeBridge(
  run: Run,
  host: Seat,
  { id, description }: Extract<RoomOperation, { type: "bridge" }>,
): void {
  const phone = hosted(run.room, host, id);
  if (!phone?.bridge) return;
  run.changed = true;
  if (description.type === "answer") {
    if (phone.state === "in") operate(run, phone, { op: "description", description, candidates: [] });
    return;
  }
  delete phone.bridge.by;
  if (phone.calling && !phone.calling.offer) {
    phone.calling.offer = description;
    phone.calling.since = run.now;
    phone.bridge.asked = host.id;
  } else {
    phone.bridge.waiting = description;
    offerNext(run, phone);
  }
}

/** A host cannot do it. Answers its phone where nobody is to try again: two in a row have failed. */
export function failBridge(run: Run, host: Seat, id: string): Seat | undefined {
  const phone = hosted(run.room, host, id);
  if (!phone?.bridge) return undefined;
  if (phone.bridge.failed !== undefined) return phone;
  phone.bridge.failed = host.id;
  run.changed = true;
  say(run, { type: "bridgeEnded", id }, host);
  return giveHost(run, phone) ? undefined : phone;
}

type Description = Extract<CallEvent, { event: "earlyMedia" | "answered" | "description" }>;

/** What a phone's gateway says, for its host. An answer is for whoever has made the offer. */
export function hearGateway(run: Run, phone: Seat, event: Description): void {
  const { bridge, id } = phone;
  const { description } = event;
  if (!bridge || !description) return;
  const host = seatOf(run.room, phone.host);
  if (description.type === "offer") {
    // One that has just become host makes an offer of its own.
    if (bridge.by === undefined) say(run, { type: "bridgeDescription", id, description }, host);
    return;
  }
  const isMeant = bridge.asked !== undefined && bridge.asked === host?.id;
  const early = event.event === "earlyMedia";
  if (isMeant) say(run, { type: "bridgeDescription", id, description, ...(early && { early }) }, host);
  if (early) return;
  // What one could not do, somebody can: from here on, anybody may have another try.
  if (isMeant && description.type === "answer") delete bridge.failed;
  delete bridge.asked;
  run.changed = true;
  offerNext(run, phone);
}

/** One offer at a time, once the phone has been answered. */
export function offerNext(run: Run, phone: Seat): void {
  const { bridge, host, state } = phone;
  if (state !== "in" || !bridge?.waiting || bridge.asked !== undefined) return;
  const description: SessionDescription = bridge.waiting;
  delete bridge.waiting;
  bridge.asked = host;
  operate(run, phone, { op: "description", description, candidates: [] });
}

/** Phones whose host has said nothing for too long, with that host. */
export function overdueBridges(room: Room, now: number): { phone: Seat; host: Seat | undefined }[] {
  return expected(room).flatMap((phone) => {
    const by = phone.bridge?.by;
    return by !== undefined && by <= now ? [{ phone, host: seatOf(room, phone.host) }] : [];
  });
}

export function hosted(room: Room, host: Seat, id: string): Seat | undefined {
  return expected(room).find((seat) => seat.id === id && seat.line && seat.host === host.id);
}
