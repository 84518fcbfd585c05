/** What the parts of a leg share: the one that dials, and the one that talks. */
import type { LineNews } from "../../core/calls/line";
import type { UserAgent } from "../../core/telephony/sip/user-agent";
import type { CallOperation } from "../../protocol";
import type { Ending, LegData } from "./leg-data";

export interface Line {
  readonly leg: LegData;
  clock(): number;
  /** Nothing may leave before it. */
  store(): void;
  /** The time at which something is due may have changed. */
  wake(): void;
  /** Tells the session. */
  say(news: LineNews): void;
  operate(op: CallOperation): void;
  end(ending: Ending): void;
  /** The far end has heard that it is over. */
  parted(): void;
  /** The connection is of no use. */
  drop(why: string): void;
  log(level: "info" | "warn", event: string, fields?: Record<string, string | number | undefined>): void;
}

/** One side of a leg's life, on one connection. */
export interface Phase {
  /** The connection is there. */
  begin(agent: UserAgent): void;
  /** When something is due, milliseconds since 1970. */
  due(): number[];
  /** Does what is due. */
  tick(): void;
  /** The call is over: tells the far end. */
  part(): void;
  /** What a request that is about to leave changes in what is stored. */
  snapshot(): void;
}

/** Random, and fit to be part of a SIP header. */
export function randomToken(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
