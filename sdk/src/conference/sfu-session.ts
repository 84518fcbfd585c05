/**
 * One peer connection with the SFU. It offers what is sent (`publish`); the room offers what comes in. Of two
 * offers at once the room's stands: this side's is rolled back, and made again.
 */
import type { IceServer, RoomEvent, RoomOperation, SessionDescription } from "../../../protocol";
import { makeError } from "../errors";
import type { WebRtc } from "../runtime";
import type { Incoming } from "./seat";

type Kind = "audio" | "video";
type Publish = Extract<RoomOperation, { type: "publish" }>;

/**
 * Of a picture: up to three sizes, of which each receiver takes what it shows. The SFU takes the first of their
 * names for the largest; browsers give up the last in the list first when the uplink is poor, and do not send
 * all of a small picture (Chromium, by its area: three from 960 × 540 on, two from 480 × 270). A screen is to be
 * read: it goes out whole or not at all. `place`: makes the names unique in a session, since an SFU may know
 * packets by them alone, those of a camera that was stopped among them.
 */
function layersOf(
  track: MediaStreamTrack | null,
  screen: boolean,
  place: number,
): RTCRtpEncodingParameters[] {
  const { width = 0, height = 0 } = track?.getSettings?.() ?? {};
  const area = screen ? 0 : width * height;
  const half = { rid: `h${place}`, maxBitrate: 500_000, scaleResolutionDownBy: 2 };
  const full = { rid: `f${place}`, maxBitrate: 1_500_000 };
  const quarter = { rid: `q${place}`, maxBitrate: 150_000, scaleResolutionDownBy: 4 };
  if (area >= 960 * 540) return [quarter, half, full];
  return area >= 480 * 270 ? [half, full] : [];
}

/** What is to be sent. Phones are those that are hosted here. */
export interface Outgoing {
  tracks: Partial<Record<Kind, MediaStreamTrack | null>>;
  phones: ReadonlyMap<string, MediaStreamTrack>;
}

interface Sender {
  transceiver: RTCRtpTransceiver;
  layers: number;
  /** When there was nothing to send yet. */
  emptySince: number | undefined;
}

/** Milliseconds. The SFU forgets what it has waited for so long, less some seconds for the way. */
const forgottenAfter = 25_000;
/** Of a description: the server takes 128 KB, with what is around it. */
const mostCharacters = 100_000;

export interface SessionHooks {
  now(): number;
  tell(operation: Extract<RoomOperation, { type: "publish" | "sfuAnswer" }>): void;
  /** The video that is sent is a screen's. */
  screen(): boolean;
  /** To come, by what was agreed. */
  incoming(id: string, incoming: Incoming): void;
  gone(id: string, track: MediaStreamTrack): void;
  state(): void;
  /** It is of no use any more. */
  failed(error: unknown): void;
}

export class SfuSession {
  readonly pc: RTCPeerConnection;
  readonly #outgoing: Outgoing;
  readonly #stream: MediaStream;
  readonly #hooks: SessionHooks;
  /** How many of the room's offers have come. */
  #heard = 0;
  /** The room knows nothing of this session yet. */
  #fresh = true;
  /** An offer of this side's is not answered. */
  #publishing = false;
  /** What is sent has changed since the last offer. */
  #changed = false;
  readonly #senders = new Map<string, Sender>();
  /** What comes in, by `mid`. */
  readonly #receiving = new Map<string, { id: string; track: MediaStreamTrack }>();
  #chain: Promise<unknown> = Promise.resolve();
  /** What was under way when it was closed fails, of course. */
  readonly #failed = (error: unknown) => {
    if (this.pc.signalingState !== "closed") this.#hooks.failed(error);
  };

  /** The room counts them from 1, by their first offers; 0 before that. */
  number = 0;

  constructor(
    { RTCPeerConnection }: WebRtc,
    configuration: { iceServers: IceServer[]; iceTransportPolicy?: "relay" },
    stream: MediaStream,
    outgoing: Outgoing,
    hooks: SessionHooks,
  ) {
    this.#stream = stream;
    this.#outgoing = outgoing;
    this.#hooks = hooks;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...configuration });
    this.pc.onconnectionstatechange = () => hooks.state();
  }

  /** What is sent is as {@link Outgoing} says now. Negotiates only where that is needed. */
  publish(): void {
    const { tracks, phones } = this.#outgoing;
    // Always: what is to be received wants a session, and the microphone may come later.
    this.#sendAs("audio", "audio", tracks.audio ?? null, true);
    this.#sendAs("video", "video", tracks.video ?? null, !!tracks.video);
    for (const id of this.#senders.keys()) {
      if (id !== "audio" && id !== "video" && !phones.has(id)) this.#sendAs(id, "audio", null, false);
    }
    for (const [id, track] of phones) this.#sendAs(id, "audio", track, true);
    if (this.#changed) this.#then(() => this.#offer());
  }

  receive(event: Extract<RoomEvent, { type: "sfuAnswer" | "sfuOffer" | "sfuClosed" }>): void {
    if (event.type === "sfuAnswer") this.#then(() => this.#answered(event.description));
    else if (event.type === "sfuOffer") this.#then(() => this.#answer(event));
    else for (const mid of event.mids) this.#then(async () => this.#close(mid));
  }

  close(): void {
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    for (const mid of [...this.#receiving.keys()]) this.#close(mid);
  }

  #sendAs(name: string, kind: Kind, track: MediaStreamTrack | null, sends: boolean): void {
    const now = this.#hooks.now();
    const known = this.#senders.get(name);
    const forgotten = known?.emptySince !== undefined && now - known.emptySince > forgottenAfter;
    const sendEncodings =
      kind === "video" ? layersOf(track, this.#hooks.screen(), this.pc.getTransceivers().length) : [];
    const layers = sendEncodings.length;
    // How many sizes a place has is settled with its first description.
    if (known && sends && !(track && (forgotten || known.layers !== layers))) {
      known.transceiver.sender.replaceTrack(track).catch(this.#failed);
      if (track) known.emptySince = undefined;
      return;
    }
    if (!known && !sends) return;
    this.#changed = true;
    if (known) {
      known.transceiver.sender.replaceTrack(null).catch(this.#failed);
      // What is sent later goes by a place of its own: the SFU forgets this one.
      known.transceiver.direction = "inactive";
      this.#senders.delete(name);
    }
    if (!sends) return;
    const init: RTCRtpTransceiverInit = {
      direction: "sendonly",
      streams: [this.#stream],
      ...(layers > 0 && { sendEncodings }),
    };
    const transceiver = this.pc.addTransceiver(track ?? kind, init);
    this.#senders.set(name, { transceiver, layers, emptySince: track ? undefined : now });
  }

  async #offer(): Promise<void> {
    if (!this.#changed || this.#publishing) return;
    this.#changed = false;
    this.#publishing = true;
    await this.pc.setLocalDescription();
    const tracks: Publish["tracks"] = [];
    for (const [name, { transceiver }] of this.#senders) {
      const { mid, receiver } = transceiver;
      if (!mid) continue;
      const kind = receiver.track.kind as Kind;
      tracks.push({ mid, kind, ...(this.#outgoing.phones.has(name) && { id: name }) });
    }
    const description = this.#description();
    const fresh = this.#fresh && { fresh: true as const };
    this.#fresh = false;
    this.#hooks.tell({ type: "publish", description, tracks, heard: this.#heard, ...fresh });
  }

  async #answered(description: SessionDescription): Promise<void> {
    if (!this.#publishing) return;
    await this.pc.setRemoteDescription(description);
    this.#publishing = false;
    await this.#offer();
  }

  async #answer({ offer, description, tracks }: Extract<RoomEvent, { type: "sfuOffer" }>): Promise<void> {
    this.#heard = offer;
    if (this.#publishing) {
      this.#publishing = false;
      this.#changed = true;
      await this.pc.setLocalDescription({ type: "rollback" });
    }
    await this.pc.setRemoteDescription(description);
    await this.pc.setLocalDescription();
    this.#hooks.tell({ type: "sfuAnswer", offer, description: this.#description() });
    const transceivers = this.pc.getTransceivers();
    for (const { mid, id } of tracks) {
      const transceiver = transceivers.find((one) => one.mid === mid);
      if (!transceiver) continue;
      const { receiver } = transceiver;
      narrow(transceiver);
      this.#receiving.set(mid, { id, track: receiver.track });
      this.#hooks.incoming(id, { track: receiver.track, receiver, way: "sfu" });
    }
    await this.#offer();
  }

  #close(mid: string): void {
    const receiving = this.#receiving.get(mid);
    this.#receiving.delete(mid);
    if (receiving) this.#hooks.gone(receiving.id, receiving.track);
  }

  /** The SFU's address is in its own descriptions, and it finds this side's by itself. */
  #description(): SessionDescription {
    const { type, sdp } = this.pc.localDescription as SessionDescription;
    // Places that are not used any more stay in it: a new session begins without them.
    if (sdp.length > mostCharacters) throw makeError("mediaFailed", "a description that has grown too long");
    return { type, sdp: sdp.replace(/^a=(candidate|end-of-candidates).*\r?\n/gm, "") };
  }

  /** One after the other. */
  #then(step: () => Promise<void>): void {
    this.#chain = this.#chain.then(step).catch(this.#failed);
  }
}

/** To the codecs that were agreed: in this side's next offer all that it could play would count, for everybody. */
function narrow(transceiver: RTCRtpTransceiver): void {
  const { receiver } = transceiver;
  const all = globalThis.RTCRtpReceiver?.getCapabilities?.(receiver.track.kind)?.codecs ?? [];
  const agreed = receiver.getParameters?.().codecs.map(({ mimeType }) => mimeType) ?? [];
  const codecs = all.filter(({ mimeType }) => agreed.includes(mimeType));
  if (codecs.length > 0) transceiver.setCodecPreferences?.(codecs);
}
