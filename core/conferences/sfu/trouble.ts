/** What the SFU has refused is asked for again, a few times, at growing distances. */
import type { SfuSeat, SfuSeats, Wanted } from "./seat";

/** A publisher's media takes a second or two to arrive, and cannot be received before. */
const pauses = [500, 1_000, 2_000, 4_000, 8_000, 16_000];

/** The whole request, whatever it was. */
export const request = "request";
export const pulling = ({ session, name }: Wanted) => `pull ${session} ${name}`;
export const changing = (mid: string) => `mid ${mid}`;

/** Notes a failure. False: it was the last try. */
export function note(seat: SfuSeat, key: string, now: number): boolean {
  const tries = (seat.trouble[key]?.tries ?? 0) + 1;
  const pause = pauses[tries - 1];
  seat.trouble[key] = pause === undefined ? { tries } : { tries, again: now + pause };
  return pause !== undefined;
}

export function settle(seat: SfuSeat, key: string): void {
  delete seat.trouble[key];
}

/** It has not failed, or long enough ago, and not too often. */
export function isDue({ trouble }: SfuSeat, key: string, now: number): boolean {
  const found = trouble[key];
  return found === undefined || (found.again !== undefined && found.again <= now);
}

/** Keeps the failures of what still matters. */
export function keepTrouble(seat: SfuSeat, wanted: Wanted[]): void {
  if (Object.keys(seat.trouble).length === 0) return;
  const keys = new Set([request, ...wanted.map(pulling), ...seat.receives.map(({ mid }) => changing(mid))]);
  for (const key of Object.keys(seat.trouble)) if (!keys.has(key)) settle(seat, key);
}

/** What has failed with this sender's tracks is worth another try: it has published again. */
export function forgiveSender(seats: SfuSeats, session: string): void {
  for (const seat of Object.values(seats))
    for (const key of Object.keys(seat.trouble)) if (key.startsWith(`pull ${session} `)) settle(seat, key);
}

/**
 * When `nextChange` may have something because a failure has waited long enough: for an alarm, once
 * it was asked for all.
 */
export function nextRetry(seats: SfuSeats, now: number): number | undefined {
  const times = Object.values(seats).flatMap(({ trouble }) =>
    Object.values(trouble).flatMap(({ again }) => (again !== undefined && again > now ? [again] : [])),
  );
  return times.length > 0 ? Math.min(...times) : undefined;
}
