/** A connection with each other participant, as long as they are few. */
import type { ErrorBody, IceServer, Signal } from "../../../protocol";
import type { CallContext } from "../call-context";
import type { CallQuality } from "../quality";
import type { WebRtc } from "../runtime";
import { Pair, type PairHooks, type Tracks } from "./pair";
import type { Incoming } from "./seat";
import { Signals } from "./signals";

/** Milliseconds. */
const sampleEvery = 1_000;

export interface MeshHooks {
  /** Settles with the error of what was refused. */
  tell(signals: Signal[]): Promise<ErrorBody | undefined>;
  incoming(id: string, incoming: Incoming): void;
  /** The connection with this one is closed: what it brought is no more. */
  gone(id: string): void;
  /** Media has come in. */
  flows(): void;
  sample(quality: CallQuality): void;
  held(id: string): boolean;
  trouble(error: unknown): void;
}

export class Mesh {
  readonly #context: CallContext;
  readonly #webrtc: WebRtc;
  readonly #iceServers: () => Promise<IceServer[]>;
  readonly #outgoing: MediaStream;
  readonly #hooks: MeshHooks;
  readonly #signals: Signals;
  readonly #pairs = new Map<string, Promise<Pair>>();
  readonly #made = new Map<string, Pair>();
  readonly #tracks: Tracks = {};
  #phones: ReadonlyMap<string, MediaStreamTrack> = new Map();
  #sampledAt = 0;

  constructor(context: CallContext, webrtc: WebRtc, outgoing: MediaStream, hooks: MeshHooks) {
    this.#context = context;
    this.#webrtc = webrtc;
    this.#outgoing = outgoing;
    this.#hooks = hooks;
    const { ice, runtime } = context;
    this.#iceServers = async () => ice.fresh ?? ice.get();
    this.#signals = new Signals(runtime, (signals) => hooks.tell(signals));
  }

  /** The worst of all, which is what somebody complains of. */
  get quality(): CallQuality | undefined {
    return [...this.#made.values()]
      .flatMap(({ quality }) => quality ?? [])
      .sort((one, other) => (one.mos ?? 5) - (other.mos ?? 5))[0];
  }

  /** Somebody who was there before: this side offers. `video`: one of the two has some. */
  offerTo(id: string, video: boolean): void {
    this.#make(id, true)
      .then((pair) => (this.#made.get(id) === pair ? pair.offer(video) : undefined))
      .catch(this.#hooks.trouble);
  }

  /** Somebody who comes later: it offers. */
  expect(id: string): void {
    this.#make(id, false).catch(this.#hooks.trouble);
  }

  receive(signals: Signal[]): void {
    for (const signal of signals) {
      void this.#pairs
        .get(signal.peer)
        ?.then((pair) => pair.receive(signal))
        .catch(this.#hooks.trouble);
    }
  }

  setTrack(kind: "audio" | "video", track: MediaStreamTrack | null): void {
    this.#tracks[kind] = track;
    for (const pair of this.#made.values()) pair.setTrack(kind, track);
  }

  setPhones(phones: ReadonlyMap<string, MediaStreamTrack>): void {
    this.#phones = phones;
    for (const pair of this.#made.values()) pair.setPhones(phones);
  }

  nudge(): void {
    for (const pair of this.#made.values()) pair.nudge();
  }

  /** Everything comes through the SFU soon. */
  retire(): void {
    for (const pair of this.#made.values()) pair.retire();
  }

  get ids(): string[] {
    return [...this.#pairs.keys()];
  }

  drop(id: string): void {
    this.#pairs.delete(id);
    const pair = this.#made.get(id);
    if (!pair) return;
    this.#made.delete(id);
    pair.close();
    this.#hooks.gone(id);
  }

  close(): void {
    for (const id of this.ids) this.drop(id);
    this.#signals.close();
  }

  #make(id: string, polite: boolean): Promise<Pair> {
    const making = this.#iceServers().then((iceServers) => {
      const tracks = this.#tracks;
      const hooks = this.#hooksOf(id);
      const pair = new Pair(
        this.#context,
        this.#webrtc,
        iceServers,
        this.#outgoing,
        { polite, tracks },
        hooks,
      );
      if (this.#pairs.get(id) === making) {
        this.#made.set(id, pair);
        pair.setPhones(this.#phones);
      } else pair.close();
      return pair;
    });
    this.#pairs.set(id, making);
    return making;
  }

  #hooksOf(id: string): PairHooks {
    const { incoming, flows, sample, held, trouble } = this.#hooks;
    return {
      tell: (signal) => this.#signals.add({ peer: id, ...signal }),
      incoming: (track, phone) => incoming(phone ?? id, track),
      flowing: (flowing) => flowing && flows(),
      // Once a second for all of them, whichever has something to say.
      sample: () => {
        const { quality } = this;
        const now = this.#context.runtime.now();
        if (!quality || now - this.#sampledAt < sampleEvery) return;
        this.#sampledAt = now;
        sample(quality);
      },
      held: () => held(id),
      trouble,
    };
  }
}
