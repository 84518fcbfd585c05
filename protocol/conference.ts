/**
 * What a participant and its conference room tell each other, within the participant's call: each
 * {@link RoomOperation} travels in a `room` operation of that call, each {@link RoomEvent} in a `room`
 * event, so that nothing of it is lost or doubled either.
 *
 * A participant is known by the id of its call. Media runs one of two ways, the room's {@link MediaPlan}:
 *
 * - `mesh`: a peer connection between each two. The one that came later offers first; after that both may, and
 *   of two offers at once the one of the *earlier* participant stands (it is impolite).
 * - `sfu`: one peer connection of each participant with the SFU, whose session the room keeps. The participant
 *   offers what it sends ({@link RoomOperation} `publish`), the room offers what is to be received (`sfuOffer`).
 *   Of two offers at once the room's stands: `publish` says with `heard` how many of the room's offers it has
 *   seen, and one that is behind is not answered. The participant rolls it back, answers, and publishes again.
 *
 * A phone has no peer connection with the others. One of the participants, its *host*, has: it mixes for the
 * phone what the phone is to hear, and sends the phone's voice on as a track of its own.
 */
import type { ErrorBody } from "./errors";
import type { Candidate, EndCause, MediaState, SessionDescription } from "./frames";

export type MediaPlan = "mesh" | "sfu";

/** What the app's server has decided over a participant's head. */
export interface Silence {
  /** Is not heard, whatever it does: others do not play it. */
  muted: boolean;
  /** Neither hears nor is heard or seen. */
  held: boolean;
}

/** One participant, as all others know it. */
export interface ParticipantInfo {
  /** The id of its call. */
  id: string;
  /** A user, or the number or address of a phone. */
  userId: string;
  displayName?: string;
  /** Missing for a user. */
  line?: "phone" | "sip";
  /** When it came, milliseconds since 1970 on the server's clock. Earlier ones are earlier in lists. */
  joined: number;
  /** What it says of itself. */
  media: MediaState;
  silence: Silence;
  /** It has lost its connection to the server, and has some seconds to come back. Media may go on. */
  away?: true;
  /** Of a phone: the participant that is its host. */
  host?: string;
}

/** What changed of a participant: what is missing stayed as it was; null takes away. */
export interface ParticipantChange {
  id: string;
  media?: MediaState;
  silence?: Silence;
  away?: true | null;
  host?: string | null;
}

/** Tracks of a description by their `mid`: whose, where they are not the sender's own. */
export type TrackNames = Record<string, string>;

/** One to another participant, in a mesh. */
export interface Signal {
  /** The other one. */
  peer: string;
  description?: SessionDescription;
  /** Of a phone that the sender hosts, by `mid`: the phone's id. */
  tracks?: TrackNames;
  candidates?: Candidate[];
  /** On the way from the mesh to the SFU: the sender hears the other one there, and needs this connection no more. */
  heard?: true;
}

/**
 * A layer of simulcast: `h` whole, `m` half, `l` a quarter of the width. In an offer their names (`rid`) sort
 * from the largest on, `f`, `h`, `q`: where the wished one does not fit or is not sent, the SFU goes down the
 * alphabet. They are listed the other way round: a browser that lacks bandwidth drops the last ones first.
 */
export type VideoLayer = "h" | "m" | "l";

/** A track on its way through the SFU, at the one who receives it. */
export interface SfuTrack {
  mid: string;
  /** Whose it is. */
  id: string;
  kind: "audio" | "video";
}

// ---- participant to room ----------------------------------------------------------------------

export type RoomOperation =
  /** 1 to {@link limits.signalsPerFrame}, each for another participant or in order. Those for one who has left are dropped. */
  | { type: "signal"; signals: Signal[] }
  /**
   * What this participant sends through the SFU, all of it, in one offer with its candidates left out
   * or in: a session has the SFU's only. `mid` of each track that is sent: a voice and two videos at most, and
   * of each phone that this one hosts its voice, with the phone's `id`.
   * `fresh`: on a new peer connection, so with a new session; the first one, too. A `mid` that had nothing to
   * send for 30 s is forgotten by the SFU: what is sent then goes by another `mid`.
   */
  | {
      type: "publish";
      description: SessionDescription;
      tracks: { mid: string; kind: "audio" | "video"; id?: string }[];
      heard: number;
      fresh?: true;
    }
  /** The answer to the `sfuOffer` of this number. */
  | { type: "sfuAnswer"; offer: number; description: SessionDescription }
  /** Whose video is shown, and how large; of the others none is received. All of it, each time. */
  | { type: "show"; videos: Record<string, VideoLayer> }
  /** Brings a user, a phone or a SIP address in. `id` is a new UUID, which becomes the call's. */
  | { type: "invite"; id: string; to: string; line?: "phone" | "sip"; video?: boolean }
  /** The host of a phone: the offer with its candidates, for its gateway; or the answer to one of the gateway's. */
  | { type: "bridge"; id: string; description: SessionDescription }
  /** The host cannot do it. */
  | { type: "bridgeFailed"; id: string };

// ---- room to participant ----------------------------------------------------------------------

export type RoomEvent =
  /** The first one: who is there besides this one, in the order in which they came. */
  | { type: "joined"; conference: string; plan: MediaPlan; participants: ParticipantInfo[]; silence: Silence }
  | { type: "participantJoined"; participant: ParticipantInfo }
  | { type: "participantLeft"; id: string }
  | { type: "participantChanged"; change: ParticipantChange }
  /** What was decided over this participant's own head. */
  | { type: "silence"; silence: Silence }
  | { type: "signal"; signals: Signal[] }
  /**
   * From here on media goes through the SFU. A peer connection of the mesh stays until what it brings has
   * come through the SFU, so that nobody hears a gap.
   */
  | { type: "plan"; plan: MediaPlan }
  /**
   * The SFU's answer to `publish`. `session`, here and in what follows: how many `fresh` publications of this
   * participant the room had heard of. What belongs to an earlier one than the latest is to be ignored.
   */
  | { type: "sfuAnswer"; session: number; description: SessionDescription }
  /** What is to be received, numbered from 1 in a session: the new tracks in it, and what it brings from now on. */
  | {
      type: "sfuOffer";
      session: number;
      offer: number;
      description: SessionDescription;
      tracks: SfuTrack[];
    }
  /** These `mid`s bring nothing any more. */
  | { type: "sfuClosed"; session: number; mids: string[] }
  /** The session is of no use any more, or this could not be published: publish again, `fresh`, after a second. */
  | { type: "sfuFailed"; session: number; error: ErrorBody }
  /** Of somebody that this participant has invited. `id` is the invitation's. */
  | { type: "invitation"; id: string; state: "progressing" | "ringing" | "answered" }
  | { type: "invitation"; id: string; state: "ended"; cause: EndCause; error?: ErrorBody }
  /** This participant is the host of a phone: offer to its gateway. `again`: another one was before. */
  | { type: "bridge"; id: string; line: "phone" | "sip"; again?: true }
  /** What the phone's gateway says; `early`: before it was answered, and another one may come. */
  | { type: "bridgeDescription"; id: string; description: SessionDescription; early?: true }
  /** It is over, or somebody else is its host. */
  | { type: "bridgeEnded"; id: string };
