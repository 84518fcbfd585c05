/** What each side of a call is told: numbered, kept until it is acknowledged, bounded. */
import { serverLimits } from "../../protocol";
import type { CallData, EventLog, LogEntry, Side } from "./call-data";

/** Adds an event to a side's log: for the party, once there is one, or for all but a connection. */
export function tell(
  call: CallData,
  side: Side,
  event: LogEntry["event"],
  aim: { except?: string } = {},
): void {
  const log = call.logs[side];
  log.last += 1;
  const to = side === "callee" && !aim.except ? call.callee.connection : undefined;
  const size = event.event === "ended" ? 0 : JSON.stringify(event).length;
  log.entries.push({ seq: log.last, size, event, ...(to && { to }), ...aim });
}

/** A connection has seen everything up to `ack`. What is meant for the devices that did not answer stays for them. */
export function acknowledge(log: EventLog, connection: string, ack: number): void {
  log.entries = log.entries.filter((entry) => entry.seq > ack || entry.except === connection);
}

/** The entries after `ack` that a connection is meant to see. */
export function unseen(log: EventLog, connection: string, ack: number): LogEntry[] {
  return log.entries.filter(
    (entry) =>
      entry.seq > ack &&
      (entry.to === undefined || entry.to === connection) &&
      (entry.except === undefined || entry.except !== connection),
  );
}

/** Nobody acknowledges: more than a call may keep, or than fits into a row. */
export function isOverfull(call: CallData): boolean {
  return Object.values(call.logs).some(
    ({ entries }) =>
      entries.length > serverLimits.callLogEvents ||
      entries.reduce((sum, { size }) => sum + size, 0) > serverLimits.callLogBytes,
  );
}
