/** The connection with one other participant of a mesh. */
import type { CallOperation, IceServer, Signal, TrackNames } from "../../../protocol";
import type { CallContext } from "../call-context";
import { CallMedia } from "../call-media";
import { MediaWatch } from "../media-watch";
import type { CallQuality } from "../quality";
import type { WebRtc } from "../runtime";
import type { Incoming } from "./seat";

type Kind = "audio" | "video";
export type Tracks = Partial<Record<Kind, MediaStreamTrack | null>>;

export interface PairHooks {
  tell(signal: Omit<Signal, "peer">): void;
  /** `phone`: whose it is, if not the other participant's. */
  incoming(incoming: Incoming, phone: string | undefined): void;
  flowing(flowing: boolean): void;
  sample(quality: CallQuality): void;
  /** Silence is what is wanted. */
  held(): boolean;
  trouble(error: unknown): void;
}

export class Pair {
  readonly #media: CallMedia;
  readonly #watch: MediaWatch;
  readonly #hooks: PairHooks;
  /** What goes out. */
  #tracks: Tracks;
  #phones: ReadonlyMap<string, MediaStreamTrack> = new Map();
  readonly #voices = new Map<string, RTCRtpTransceiver>();
  readonly #names: TrackNames = {};
  /** Descriptions were exchanged, or are being. */
  #begun = false;
  /** This side's first offer has its answer, or the other's has. */
  #agreed = false;

  /** `polite`: this side came later. */
  constructor(
    context: CallContext,
    webrtc: WebRtc,
    iceServers: IceServer[],
    outgoing: MediaStream,
    { polite, tracks }: { polite: boolean; tracks: Tracks },
    hooks: PairHooks,
  ) {
    this.#tracks = { ...tracks };
    this.#hooks = hooks;
    const direction = polite ? "incoming" : "outgoing";
    this.#media = new CallMedia(context, webrtc, { direction }, iceServers, outgoing, {
      send: (op) => this.#send(op),
      track: (track, transceiver) => this.#heard(track, transceiver),
      failed: hooks.trouble,
      trouble: hooks.trouble,
    });
    this.#watch = new MediaWatch(this.#media, context.runtime, {
      flowing: hooks.flowing,
      sample: hooks.sample,
      held: hooks.held,
      canRestart: () => context.connection.online,
    });
  }

  get quality(): CallQuality | undefined {
    return this.#watch.last?.quality;
  }

  /** The later one's side; `video`: one of the two has some. */
  async offer(video: boolean): Promise<void> {
    this.#begun = true;
    const offering = this.#media.offer(video);
    this.#sendTracks();
    const description = await offering;
    this.#hooks.tell({ description });
    this.#media.release();
  }

  async receive({ description, tracks, candidates = [] }: Signal): Promise<void> {
    Object.assign(this.#names, tracks);
    if (!description) return this.#media.addCandidates(candidates);
    this.#watch.peerRestarts();
    if (this.#agreed) return void (await this.#media.describe(description, candidates));
    this.#agreed = true;
    if (this.#begun) this.#media.accept(description, candidates);
    else {
      await this.#media.describe(description, candidates);
      this.#media.answerSent();
      this.#media.answerTaken();
      this.#begun = true;
      this.#sendTracks();
    }
    this.#watch.start();
    this.#sendPhones();
  }

  setTrack(kind: Kind, track: MediaStreamTrack | null): void {
    this.#tracks[kind] = track;
    if (this.#begun) this.#media.setTrack(kind, track);
  }

  /** The voices of the phones that are hosted here. */
  setPhones(phones: ReadonlyMap<string, MediaStreamTrack>): void {
    this.#phones = phones;
    if (this.#agreed && this.#begun) this.#sendPhones();
  }

  nudge(): void {
    this.#watch.nudge();
  }

  /** Media takes another way from now on: nothing is mended. */
  retire(): void {
    this.#watch.stop();
  }

  close(): void {
    this.#watch.stop();
    this.#media.close();
  }

  /**
   * The other one's own come by the places that both use. By others come voices of phones, if they have names:
   * by that of a phone's voice that goes out a browser says that something comes in, too.
   */
  #heard(track: MediaStreamTrack, { mid, receiver, sender }: RTCRtpTransceiver): void {
    const own = this.#media.sender(track.kind as Kind) === sender;
    const sent = [...this.#voices.values()].some((voice) => voice.sender === sender);
    const phone = own || sent || track.kind === "video" ? undefined : this.#names[mid ?? ""];
    if (own || phone) this.#hooks.incoming({ track, receiver, way: "mesh" }, phone);
  }

  #sendTracks(): void {
    for (const kind of ["audio", "video"] as const) {
      const track = this.#tracks[kind];
      if (track) this.#media.setTrack(kind, track);
    }
  }

  #sendPhones(): void {
    for (const [id, transceiver] of this.#voices) {
      if (this.#phones.has(id)) continue;
      transceiver.stop();
      this.#voices.delete(id);
    }
    for (const [id, track] of this.#phones) {
      const transceiver = this.#voices.get(id);
      if (transceiver) transceiver.sender.replaceTrack(track).catch(this.#hooks.trouble);
      else this.#voices.set(id, this.#media.pc.addTransceiver(track, { direction: "sendonly" }));
    }
  }

  #send(op: Extract<CallOperation, { op: "candidates" | "description" }>): void {
    if (op.op === "candidates") {
      this.#hooks.tell({ candidates: op.candidates });
      return;
    }
    const tracks: TrackNames = {};
    for (const [id, { mid }] of this.#voices) if (mid) tracks[mid] = id;
    this.#hooks.tell({ description: op.description, ...(this.#voices.size > 0 && { tracks }) });
  }
}
