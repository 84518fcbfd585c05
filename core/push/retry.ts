/** When a push is tried again. */
import type { PushOutcome } from "./outcome";
import type { PreparedPush } from "./prepared-push";

/** A call rings for seconds; a message can wait. */
const firstSeconds = { call: 1, cancel: 1, message: 5 };
/** The longest delay of a queue. */
const delaySecondsMax = 12 * 3_600;
/** Somebody has to upload a credential first. */
const missingSeconds = 3_600;

/** Seconds from an attempt to the next; `attempt`: how many there have been. It doubles. */
export function backoffSeconds(type: PreparedPush["content"]["type"], attempt: number): number {
  return Math.min(firstSeconds[type] * 2 ** (attempt - 1), delaySecondsMax);
}

/** Seconds until the next attempt; null when that is too late, or nothing would change. */
export function retryDelay(
  { content, expires }: Pick<PreparedPush, "content" | "expires">,
  outcome: PushOutcome,
  attempt: number,
  now: number,
): number | null {
  if (outcome.kind === "sent" || outcome.kind === "dead" || outcome.kind === "fault") return null;
  const wanted = Math.max(backoffSeconds(content.type, attempt), askedSeconds(outcome));
  const delay = Math.min(wanted, delaySecondsMax);
  return now + delay * 1_000 < expires ? delay : null;
}

function askedSeconds(outcome: PushOutcome): number {
  if (outcome.kind === "credential" && outcome.missing) return missingSeconds;
  return "retryAfter" in outcome ? (outcome.retryAfter ?? 0) : 0;
}
