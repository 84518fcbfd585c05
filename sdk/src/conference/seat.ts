/** What comes in of one participant: one stream for as long as it is there, whichever way its tracks come. */
import type { MediaPlan } from "../../../protocol";
import type { Audible } from "../audio";
import type { Voice } from "./parts";

type Kind = "audio" | "video";
/** `bridge`: of a phone that is hosted here. */
type Way = MediaPlan | "bridge";

export interface Incoming extends Voice {
  way: Way;
}

/** The best first. In the mesh it comes as long as that lasts, also beside the SFU. */
const ways = ["bridge", "sfu", "mesh"] as const;

export class Seat implements Audible {
  readonly #tracks: Record<Kind, Partial<Record<Way, Incoming>>> = { audio: {}, video: {} };
  readonly #shown: Partial<Record<Kind, Incoming>> = {};
  readonly #changed: (incoming: Incoming) => void;

  /** `changed`: this is heard or seen now, in place of what was before. */
  constructor(
    readonly id: string,
    readonly incomingStream: MediaStream,
    readonly silent: () => boolean,
    changed: (incoming: Incoming) => void,
  ) {
    this.#changed = changed;
  }

  /** Its element is muted. */
  get held(): boolean {
    return this.silent();
  }

  get voice(): Incoming | undefined {
    return this.#shown.audio;
  }

  get picture(): Incoming | undefined {
    return this.#shown.video;
  }

  put(incoming: Incoming): void {
    const kind = incoming.track.kind as Kind;
    this.#tracks[kind][incoming.way] = incoming;
    this.#show(kind);
  }

  drop(track: MediaStreamTrack): void {
    const kind = track.kind as Kind;
    for (const way of ways) if (this.#tracks[kind][way]?.track === track) delete this.#tracks[kind][way];
    this.#show(kind);
  }

  /** What came by a way that is not there any more. */
  leave(way: Way): void {
    for (const kind of ["audio", "video"] as const) {
      delete this.#tracks[kind][way];
      this.#show(kind);
    }
  }

  /** One of each kind: nobody is heard twice. */
  #show(kind: Kind): void {
    const before = this.#shown[kind];
    const way = ways.find((one) => this.#tracks[kind][one]);
    const after = way && this.#tracks[kind][way];
    if (before?.track === after?.track) return;
    this.#shown[kind] = after;
    // In this order an element goes over from one to the other; without any track it would stop first.
    if (after) this.incomingStream.addTrack(after.track);
    if (before) this.incomingStream.removeTrack(before.track);
    if (after) this.#changed(after);
  }
}
