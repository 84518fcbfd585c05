/** What comes in of one participant: one stream for as long as it is there, whichever way its tracks come. */
import type { MediaPlan } from "../../../protocol";
import type { Audible } from "../audio";
import type { Voice } from "./parts";

type Kind = "audio" | "video";

/** `bridge`: of a phone that is hosted here. */
export interface Incoming extends Voice {
  way: MediaPlan | "bridge";
}

export class Seat implements Audible {
  readonly #tracks: Partial<Record<Kind, Incoming>> = {};

  constructor(
    readonly id: string,
    readonly incomingStream: MediaStream,
    readonly silent: () => boolean,
  ) {}

  /** Its element is muted. */
  get held(): boolean {
    return this.silent();
  }

  get voice(): Incoming | undefined {
    return this.#tracks.audio;
  }

  /** Takes the place of what came before: nobody is heard twice. False when it is there already. */
  put(incoming: Incoming): boolean {
    const { track } = incoming;
    const kind = track.kind as Kind;
    const before = this.#tracks[kind];
    if (before?.track === track) return false;
    this.#tracks[kind] = incoming;
    // In this order an element goes over from one to the other; without any track it would stop first.
    this.incomingStream.addTrack(track);
    if (before) this.incomingStream.removeTrack(before.track);
    return true;
  }

  drop(track: MediaStreamTrack): void {
    const kind = track.kind as Kind;
    if (this.#tracks[kind]?.track !== track) return;
    delete this.#tracks[kind];
    this.incomingStream.removeTrack(track);
  }

  /** What came by a way that is not there any more. */
  leave(way: Incoming["way"]): void {
    for (const incoming of Object.values(this.#tracks)) if (incoming.way === way) this.drop(incoming.track);
  }
}
