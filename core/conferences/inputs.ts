/** What can happen to a conference, and what it brings about. */
import type { CallResult, Result } from "../../protocol";
import type { LogEntry } from "../calls/call-data";
import type { Callout, Room } from "./room-data";
import type { SfuChange, SfuOutcome } from "./sfu/seat";

export type RoomInput =
  /** A user joins by a call of its own. `session`: the one with the SFU that was made for it. */
  | {
      type: "join";
      id: string;
      userId: string;
      displayName?: string;
      video: boolean;
      reference: string;
      session?: string;
    }
  /** Events of a participant's call, in order; some may have been heard before. */
  | { type: "heard"; id: string; entries: Pick<LogEntry, "seq" | "event">[] }
  /** Somebody is to be called. */
  | { type: "callOut"; id: string; callout: Callout; reference: string }
  /** What the call's session says to a callout. */
  | { type: "started"; id: string; result: Result<CallResult> }
  /** A participant's call is over, and has not told. */
  | { type: "gone"; id: string }
  | { type: "command"; id: string; command: Command }
  | { type: "kick"; id: string }
  | { type: "kickAll" }
  /** For one that waits for it, there is a session with the SFU; or there can be none. */
  | { type: "assured"; id: string; session?: string }
  | { type: "sfu"; id: string; change: SfuChange; outcome: SfuOutcome }
  /** The room was asleep, or has died: what was under way then is not any more. */
  | { type: "woke" }
  /** Time has passed. */
  | { type: "time" };

/** What the app's server does to one participant. */
export type Command = "mute" | "unmute" | "hold" | "resume";

export type RoomEffect =
  | { type: "sfu"; id: string; change: SfuChange }
  /** Make sure of a session with the SFU for this one, before anybody is moved to it. */
  | { type: "assure"; id: string }
  | { type: "log"; event: string; id?: string; reference?: string };

/** What a room cannot know of itself. */
export interface Means {
  /** An SFU is configured. */
  sfu: boolean;
  /** Counts one more callout; answers the seconds to wait when there are too many, else 0. */
  takeCallout(): number;
  /** Phones that one user may have invited at a time; missing: {@link serverLimits.phoneCallsPerUser}. */
  phonesPerUser?: number;
}

export interface RoomStep {
  room: Room;
  /** There is something to be stored before anything leaves. */
  changed: boolean;
  effects: RoomEffect[];
  result: Result<null>;
}

/** A step that is under way: it changes `room`. */
export interface Run {
  room: Room;
  now: number;
  means: Means;
  changed: boolean;
  effects: RoomEffect[];
  /** Whose media may want something of the SFU now; most that happens concerns one of them. */
  asking: Set<string>;
}
