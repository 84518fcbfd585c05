/** What participants say about media: to each other in a mesh, or to the SFU. */
import {
  byteLength,
  type RoomEvent,
  type RoomOperation,
  type Signal,
  serverLimits,
  type TrackNames,
} from "../../protocol";
import { hosted } from "./bridges";
import type { RoomInput, Run } from "./inputs";
import { say } from "./outbox";
import { type Room, type Seat, seatOf, users } from "./room-data";
import type { SfuOperation } from "./sfu/hear";
import { concludeChange, hearSfu, loseChange, nextChange, nextRetry } from "./sfu/planner";

/**
 * Each to the one it is for, in order. Those for somebody who is not there are dropped. False: it is too much
 * for one of them, and nothing was relayed.
 */
export function relay(
  run: Run,
  from: Seat,
  { signals }: Extract<RoomOperation, { type: "signal" }>,
): boolean {
  const byPeer = new Map<string, Signal[]>();
  for (const { peer, tracks, ...signal } of signals) {
    const names = tracks && namesOf(run.room, from, tracks);
    const sent = { ...signal, peer: from.id, ...(names && { tracks: names }) };
    byPeer.set(peer, [...(byPeer.get(peer) ?? []), sent]);
  }
  byPeer.delete(from.id);
  const there = users(run.room).flatMap((to) => {
    const sent = byPeer.get(to.id);
    return sent ? [{ to, sent }] : [];
  });
  const isBearable = there.map(({ to, sent }) => takeSignals(run.now, from, to, sent)).every(Boolean);
  if (isBearable) for (const { to, sent } of there) say(run, { type: "signal", signals: sent }, to);
  return isBearable;
}

/** Counts what a user, on all devices, signals to one participant. False: it is more than may be. */
function takeSignals(now: number, { userId }: Seat, to: Seat, signals: Signal[]): boolean {
  const { signalBytesPerSecond, signalBytesBurst } = serverLimits;
  const lately = Object.entries(to.signalled ?? {}).flatMap(([user, { bytes, at }]) => {
    const left = bytes - (Math.max(0, now - at) / 1_000) * signalBytesPerSecond;
    return left > 0 ? [[user, { bytes: left, at: now }] as const] : [];
  });
  const counts = new Map(lately);
  const bytes = (counts.get(userId)?.bytes ?? 0) + byteLength(JSON.stringify(signals));
  to.signalled = Object.fromEntries(counts.set(userId, { bytes, at: now }));
  return bytes <= signalBytesBurst;
}

/** Only of phones whose host says so. */
function namesOf(room: Room, host: Seat, tracks: TrackNames): TrackNames {
  return Object.fromEntries(Object.entries(tracks).filter(([, id]) => hosted(room, host, id)));
}

/** What is said before there is an SFU, or by one who is not in, counts for nothing. */
export function hearMedia(run: Run, seat: Seat, op: SfuOperation): void {
  const { room } = run;
  change(run, seat.id, () => hearSfu(room.sfu, seat.id, known(room, seat, op)));
}

/** Something about a participant's media changes: it hears of it, and others where they receive from it. */
function change(run: Run, id: string, act: () => RoomEvent[]): void {
  const { room } = run;
  const sends = room.sfu[id]?.sends;
  if (!sends) return;
  for (const event of act()) say(run, event, seatOf(room, id));
  run.changed = true;
  if (room.sfu[id]?.sends === sends) run.asking.add(id);
  else askAll(run);
}

export function askAll({ room, asking }: Run): void {
  for (const id of Object.keys(room.sfu)) asking.add(id);
}

/** Without the ids of those who are not there. */
function known(room: Room, seat: Seat, op: SfuOperation): SfuOperation {
  if (op.type === "publish") {
    const tracks = op.tracks.filter(({ id }) => id === undefined || hosted(room, seat, id));
    return { ...op, tracks };
  }
  if (op.type === "show") {
    const there = new Set(users(room).map(({ id }) => id));
    const videos = Object.entries(op.videos).filter(([id]) => there.has(id) && id !== seat.id);
    return { ...op, videos: Object.fromEntries(videos) };
  }
  return op;
}

export function conclude(
  run: Run,
  { id, change: done, outcome }: Pick<Extract<RoomInput, { type: "sfu" }>, "id" | "change" | "outcome">,
): void {
  change(run, id, () => concludeChange(run.room.sfu, id, done, outcome, run.now));
}

/** A phone speaks through its host alone: what a former one still sends as the phone is received no more. */
export function disownTracks(run: Run): void {
  const { room } = run;
  for (const host of users(room)) {
    for (const sent of room.sfu[host.id]?.sends ?? []) {
      if (sent.id === undefined || sent.disowned || hosted(room, host, sent.id)) continue;
      sent.disowned = true;
      run.changed = true;
      askAll(run);
    }
  }
}

/** Nobody knows what has become of the changes that are under way since then, or longer. */
export function loseChanges(run: Run, since: number): void {
  const { room } = run;
  for (const [id, { changing }] of Object.entries(room.sfu))
    if (changing && changing.since <= since) change(run, id, () => loseChange(room.sfu, id));
}

/** Asks the SFU for what is wanted now, one thing for each participant. */
export function askSfu(run: Run): void {
  const { room, now } = run;
  for (const id of run.asking) {
    const change = nextChange(room.sfu, id, now);
    if (!change) continue;
    run.changed = true;
    run.effects.push({ type: "sfu", id, change });
  }
}

/** When the SFU is to be asked again; `lostMs`: what is under way for so long has died. */
export function sfuDue(room: Room, now: number, lostMs: number): number[] {
  if (room.plan !== "sfu") return [];
  const lost = Object.values(room.sfu).flatMap(({ changing }) => (changing ? [changing.since + lostMs] : []));
  const retry = nextRetry(room.sfu, now);
  return retry === undefined ? lost : [...lost, retry];
}
