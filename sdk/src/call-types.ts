import type { CallCost, CallHeaders, CallRate, CallState, EndCause, MediaState } from "../../protocol";
import type { Call } from "./call";
import type { Participant } from "./conference/participant";
import type { CarillonError } from "./errors";
import type { PushPair } from "./notification";
import type { CallQuality, QualityReason } from "./quality";

export type CallDirection = "outgoing" | "incoming";

/** What there is to know of a call, now and after its end. Times are milliseconds since 1970. */
export interface CallDetails {
  callId: string;
  direction: CallDirection;
  remoteUserId: string;
  headers: CallHeaders;
  videoOffered: boolean;
  /** An outgoing call: the headers did not fit into every push. A device that was woken gets them when it connects. */
  pushHeadersOmitted?: boolean;
  /** An incoming call: where the app was when it came. */
  applicationStateWhenReceived?: "active" | "background";
  startedTime: number;
  progressingTime?: number;
  ringingTime?: number;
  answeredTime?: number;
  establishedTime?: number;
  endedTime?: number;
  /** `none` until the call has ended. */
  endCause: EndCause;
  error?: CarillonError;
  /** Seconds from established to ended, or to now; 0 for a call that was never established. */
  duration: number;
  /** Of a call to a phone, from progressing on: what it costs. */
  rate?: CallRate;
  /** Of a call to a phone that is over: what it has cost. Known a moment after the end when this side hung up. */
  cost?: CallCost;
}

/** A warning about the call's quality came up (`active`), or is over. */
export interface QualityWarning {
  reason: QualityReason;
  active: boolean;
  quality: CallQuality;
}

export interface CallEvents {
  /** The server found at least one device of the callee: play the progress tone. */
  progressing: Call;
  /** A device of the callee rings. On the callee's side: it is this one. */
  ringing: Call;
  /** Somebody took the call. */
  answered: Call;
  /** Media runs both ways. */
  established: Call;
  /** It is over: see `call.details.endCause` and `error`. */
  ended: Call;
  /**
   * Video of the other side can be shown: `videoController.remoteView(call)`. In a conference: of a participant,
   * whose `stream` has it; `remoteTrack` says whose.
   */
  videoTrackAdded: Call;
  /**
   * Something can be heard or seen. Of a phone before the answer, it may be: stop the progress tone. In a
   * conference again whenever a participant's track comes another way: its stream stays the same.
   */
  remoteTrack: {
    track: MediaStreamTrack;
    stream: MediaStream;
    /** In a conference: whose it is. */
    participant?: Participant;
  };
  /** Somebody is in the conference: those who were there before this side are told of first. */
  participantJoined: Participant;
  participantLeft: Participant;
  /** Something is different with it: muted, held, video, away, speaking. */
  participantUpdated: Participant;
  /** Who speaks in the conference, or has lately, loudest first. */
  activeSpeakers: Participant[];
  /** The app's server has muted or held this side in the conference, or has ended that. `muted` and `held` of the call stay what the person has chosen. */
  silenced: { muted: boolean; held: boolean };
  invitation: Invitation;
  /** The other side has transferred this one: the new call, already on its way. This one ends. */
  transferred: Call;
  /** Devices of the callee sleep, and your own server wakes them: have it send these. */
  shouldSendPushNotification: PushPair[];
  /** The other side muted, held, or changed its video. In a conference `participantUpdated` says so. */
  remoteMedia: MediaState;
  /** The other side has pressed these keys, and its tones came beside the media. */
  dtmf: string;
  /** Of a call to a phone: what it has cost, at the end, or a moment after it when this side hung up. */
  cost: CallCost;
  qualityWarning: QualityWarning;
  /** Once a second while media runs. In a conference without an SFU: of the worst of its connections. */
  quality: CallQuality;
}

/** What becomes of somebody whom this participant has invited. */
export interface Invitation {
  /** As `invite()` has returned it; of somebody who joins, the participant's id. */
  id: string;
  state: "progressing" | "ringing" | "answered" | "ended";
  /** Of one that has ended: `hungUp` for somebody who was there. */
  endCause?: EndCause;
  error?: CarillonError;
}

export interface AnswerOptions {
  /** Send video too; by default when the caller offered video. */
  video?: boolean;
}

/** The states in the order in which a call can go through them. */
export const stateOrder: readonly CallState[] = [
  "initiating",
  "progressing",
  "ringing",
  "answered",
  "established",
  "ended",
];
