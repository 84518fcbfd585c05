/** What a room remembers of each participant's session with the SFU, what it asks of the SFU, and the answer. */
import type { SessionDescription, VideoLayer } from "../../../protocol";

/** By participant. Plain data: it is stored with the room. */
export type SfuSeats = Record<string, SfuSeat>;

/** One participant: a session with the SFU is one peer connection. */
export interface SfuSeat {
  /** Missing until the participant has published, and after the session was given up. */
  session?: string;
  /** Nothing was negotiated in the session yet: whoever publishes first has it. */
  unused?: true;
  /** The session was given up, and the participant knows: only what is published `fresh` counts. */
  lost?: true;
  /** Counts the sessions, also those that failed: the outcome of a change in an earlier one means nothing. */
  generation: number;
  /** Counts them as the participant does: by what it has published `fresh`. */
  sessions: number;
  /** A change is under way, in the session of this count, since this time. */
  changing?: { generation: number; since: number };
  /** What it has published and the SFU has not been asked for yet. */
  publishing?: { description: SessionDescription; tracks: PublishedTrack[] };
  /** What others can receive. */
  sends: SentTrack[];
  /** Tracks named so far in this session: a name is used once. */
  named: number;
  receives: ReceivedTrack[];
  /** Whose video is shown, and how large. */
  show: Record<string, VideoLayer>;
  /** Offers of the SFU handed to the participant in this session. */
  offers: number;
  /** The last of them waits for the participant's answer. */
  offered?: true;
  /** That answer, on its way to the SFU. */
  answer?: SessionDescription;
  /** What the SFU has refused, by track or by request: how often, and when it is asked again. */
  trouble: Record<string, Trouble>;
}

/** A track as a participant names it. */
export interface PublishedTrack {
  mid: string;
  kind: "audio" | "video";
  /** Of the phone whose it is. */
  id?: string;
}

export interface SentTrack extends PublishedTrack {
  /** What the SFU knows it by, beside the session. */
  name: string;
  /** Layers of simulcast, the largest first; missing when there is one only. */
  rids?: string[];
  /** The phone whose it is has another host now: nobody receives it. */
  disowned?: true;
}

export interface ReceivedTrack {
  mid: string;
  /** Of the sender. */
  session: string;
  name: string;
  /** Whose it is: the sender, or the phone that it hosts. */
  id: string;
  kind: "audio" | "video";
  /** The layer of simulcast that was asked for. */
  rid?: string;
}

export interface Trouble {
  tries: number;
  /** Milliseconds since 1970. Missing: it was asked for often enough. */
  again?: number;
}

/** One thing to ask of the SFU. There is one at a time for each participant: the SFU wants it so. */
export type SfuChange = { generation: number } & (
  | { type: "open" }
  /** With a new session where `session` is missing. `remove`: by `mid`. */
  | {
      type: "publish";
      session?: string;
      description: SessionDescription;
      keep: SentTrack[];
      add: SentTrack[];
      remove: string[];
    }
  | { type: "pull"; session: string; tracks: Wanted[] }
  | { type: "answer"; session: string; description: SessionDescription }
  | { type: "layers"; session: string; tracks: (Wanted & { mid: string })[] }
  | { type: "close"; session: string; mids: string[] }
);

/** A track to receive. */
export type Wanted = Omit<ReceivedTrack, "mid">;

export type SfuOutcome =
  /** `tracks`: those of the change, in its order; `add` of a publication. */
  | { kind: "done"; session: string; description?: SessionDescription; tracks: TrackOutcome[] }
  /** The session has expired, or was never there. */
  | { kind: "gone"; detail: string }
  /** The SFU is down, busy, or could not be reached; it may have done it. */
  | { kind: "later"; detail: string }
  /** Asking again does not help. */
  | { kind: "refused"; detail: string };

export interface TrackOutcome {
  mid?: string;
  /** Cloudflare's `errorCode`: this track alone has failed. */
  error?: string;
}

export function newSfuSeat(session?: string): SfuSeat {
  const seat: SfuSeat = {
    generation: 1,
    sessions: 0,
    sends: [],
    named: 0,
    receives: [],
    show: {},
    offers: 0,
    trouble: {},
  };
  return session === undefined ? seat : { ...seat, session, unused: true };
}
