/** What the conference's engine and two parts of it that live on their own know of each other. */
import type { RoomEvent, RoomOperation } from "../../../protocol";
import type { CallContext } from "../call-context";

/** Somebody's voice as it comes in: the receiver says how loud it is. */
export interface Voice {
  track: MediaStreamTrack;
  receiver: RTCRtpReceiver;
}

export interface SpeakingHooks {
  runtime: Pick<CallContext["runtime"], "now" | "setTimeout" | "clearTimeout">;
  /** Who can be heard at present, by participant's id; asked at each look. */
  voices(): ReadonlyMap<string, Voice>;
  /** Who speaks now, and who has spoken lately, loudest first. Called only when one of them has changed. */
  changed(speaking: ReadonlySet<string>, active: readonly string[]): void;
}

/** `class Speaking implements SpeakingPart`, made with {@link SpeakingHooks}; of `speaking.ts`, loaded with the engine. */
export interface SpeakingPart {
  /** Somebody can be heard. Again: nothing. */
  start(): void;
  /** Nobody is there any more, or the call is over. May be started again. */
  stop(): void;
}

export interface BridgeHooks {
  context: Pick<CallContext, "runtime" | "options" | "ice" | "webrtc" | "log">;
  /** Into the call's channel, in order; nothing is lost on the way. */
  send(operation: Extract<RoomOperation, { type: "bridge" | "bridgeFailed" }>): void;
  /**
   * The phone's voice, from before its answer on; undefined when there is none any more. The engine plays it
   * here and sends it on to the others once the phone is a participant.
   */
  voice(id: string, voice: Voice | undefined): void;
}

/** `class Bridges implements BridgesPart`, made with {@link BridgeHooks}; of `bridge.ts`, loaded with the first phone. */
export interface BridgesPart {
  /** What the room says of the phones whose host this participant is; in order. */
  receive(event: Extract<RoomEvent, { type: "bridge" | "bridgeDescription" | "bridgeEnded" }>): void;
  /**
   * What there is to be heard, all of it each time: this participant's microphone and the others' voices,
   * phones hosted here among them, by participant's id. A phone hears all but its own. Those who are held or
   * silenced are not in it. The same track again is the same source. `deaf`: phones that are held over their
   * heads, and hear nothing.
   */
  setSources(sources: ReadonlyMap<string, MediaStreamTrack>, deaf?: ReadonlySet<string>): void;
  /** The network came back. */
  nudge(): void;
  close(): void;
}
