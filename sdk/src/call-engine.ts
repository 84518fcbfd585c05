/** How a call comes about: offer or answer, its connection and tracks, and what the other side is told of them. */
import type { CallOperation, Candidate, IceServer, SessionDescription } from "../../protocol";
import type { CallChannel } from "./call-channel";
import type { CallContext, CallStart } from "./call-context";
import { CallMedia } from "./call-media";
import type { CallProgress } from "./call-progress";
import type { AnswerOptions } from "./call-types";
import type { Reply } from "./connection";
import { CarillonError, makeError, toError } from "./errors";
import { LocalMedia } from "./local-media";
import { MediaWatch } from "./media-watch";
import { playPrompt } from "./prompt";
import type { CallQuality } from "./quality";
import { baseUrlOf } from "./runtime";

/** What the engine does to the call as the app sees it. */
export interface EngineHooks {
  /** What comes in is to be heard. */
  play(): void;
  answered(time: number): void;
  /** Another device has the call. */
  missed(): void;
  /** This side cannot go on. */
  fail(error: unknown): void;
  track(track: MediaStreamTrack, stream: MediaStream): void;
  flowing(flowing: boolean): void;
  quality(quality: CallQuality): void;
  /** On either side's word: nothing may come in for long. */
  held(): boolean;
}

export class CallEngine {
  readonly local: LocalMedia;
  /** What comes in; undefined without WebRTC. */
  readonly incoming: MediaStream | undefined;

  readonly #context: CallContext;
  readonly #channel: CallChannel;
  readonly #progress: CallProgress;
  readonly #start: CallStart;
  readonly #hooks: EngineHooks;
  /** What the other side believes of this one's media, as JSON. */
  #toldMedia: string;
  #media: CallMedia | undefined;
  #watch: MediaWatch | undefined;
  #preparing: Promise<void> | undefined;
  #answering: AnswerOptions | undefined;
  #unlisten: (() => void) | undefined;
  /** Nothing comes after a hangup. */
  readonly #tell = (op: CallOperation) => {
    if (!this.#progress.over) void this.#channel.send(op);
  };
  readonly #trouble = (error: unknown) =>
    this.#context.log("warning", "media", toError(error, "mediaFailed").message);
  #withheldTracks: MediaStreamTrack[] = [];
  /** Candidates that came before there was a connection to give them to. */
  #early: Candidate[] = [];

  constructor(
    context: CallContext,
    channel: CallChannel,
    progress: CallProgress,
    start: CallStart,
    hooks: EngineHooks,
  ) {
    this.#context = context;
    this.#channel = channel;
    this.#progress = progress;
    this.#start = start;
    this.#hooks = hooks;
    const { webrtc } = context;
    this.incoming = webrtc && new webrtc.MediaStream();
    const outgoing = webrtc && new webrtc.MediaStream();
    this.local = new LocalMedia(outgoing, context.devices, () => this.#tellMedia());
    this.local.state.video = start.video ? "on" : "off";
    this.#toldMedia = JSON.stringify(this.local.state);
  }

  get quality(): CallQuality | undefined {
    return this.#watch?.last?.quality;
  }

  get dtmf(): RTCDTMFSender | null | undefined {
    return this.#media?.sender("audio")?.dtmf;
  }

  /** What the start says of the caller's media; undefined when the call is over, or over with this. */
  async offer(): Promise<{ offer?: SessionDescription } | undefined> {
    if (this.#start.conference) return {};
    try {
      const media = this.#makeMedia(this.#context.ice.fresh ?? (await this.#context.ice.get()));
      const offer = await media?.offer(this.#start.video);
      if (!media || !offer) return undefined;
      this.local.send(media);
      return { offer };
    } catch (error) {
      this.#hooks.fail(error);
      return undefined;
    }
  }

  /** Opens microphone, and camera. */
  open(video: boolean): void {
    this.local.open(video).catch((error: unknown) => this.#hooks.fail(error));
  }

  /** The offer is on its way. */
  offerSent(): void {
    this.#media?.release();
  }

  /** While it rings: everything that the answer needs. */
  prepare(offer: SessionDescription | undefined): void {
    this.#preparing = this.#prepare(offer).catch((error: unknown) => this.#hooks.fail(error));
  }

  /** Now, or when the page comes back; once. */
  answer(options: AnswerOptions): void {
    if (this.#answering || this.#progress.over) return;
    this.#answering = options;
    if (this.#context.inFront()) {
      this.#take();
      return;
    }
    this.#unlisten = this.#context.runtime.page.on("visible", () => this.#take());
  }

  /** The other side has taken the call. */
  answered(description: SessionDescription | undefined, candidates: Candidate[], time: number): void {
    if (description) this.#media?.accept(description, candidates);
    this.#goLive();
    this.#hooks.answered(time);
    this.#tellMedia();
  }

  /** What a phone's network plays before the answer. */
  preview(description: SessionDescription): void {
    this.#media?.pc.setRemoteDescription({ ...description, type: "pranswer" }).catch(this.#trouble);
  }

  /** Nobody is there: a recording is played in its place. */
  prompt(path: string, time: number): void {
    const { runtime, options } = this.#context;
    const prompt = playPrompt(runtime, baseUrlOf(options.environmentHost) + path, this.#trouble);
    // Before the app gets a track: it may hang up then.
    this.#unlisten = prompt?.stop;
    for (const track of prompt?.tracks ?? []) this.#remoteTrack(track);
    this.#hooks.answered(time);
    this.#flowing(true);
  }

  addCandidates(candidates: Candidate[]): void {
    if (this.#media) this.#media.addCandidates(candidates);
    else this.#early.push(...candidates);
  }

  /** The other side renegotiates, or answers that. */
  describe(description: SessionDescription, candidates: Candidate[]): void {
    this.#watch?.peerRestarts();
    this.#media?.describe(description, candidates);
  }

  /** The network or the active connection came back. */
  nudge(): void {
    this.#watch?.nudge();
  }

  close(): void {
    this.#unlisten?.();
    this.#watch?.stop();
    this.local.close();
    this.#media?.close();
  }

  async #prepare(offer: SessionDescription | undefined): Promise<void> {
    const { ice, options } = this.#context;
    if (options.prewarmMicrophone) void this.#prewarm();
    if (!offer) return;
    const media = this.#makeMedia(ice.fresh ?? (await ice.get()));
    await media?.prepareAnswer(offer);
    // Nothing comes in yet; only that the answer need not wait for an element to be made.
    if (!this.#progress.over) this.#hooks.play();
  }

  /** Only where the person has allowed it for good: no prompt while it rings. */
  async #prewarm(): Promise<void> {
    const name = "microphone" as PermissionName;
    const permission = await globalThis.navigator?.permissions?.query({ name }).catch(() => undefined);
    if (permission?.state === "granted" && !this.#progress.over) {
      await this.local.open(false).catch(() => {});
    }
  }

  #makeMedia(iceServers: IceServer[]): CallMedia | undefined {
    const { webrtc, runtime } = this.#context;
    if (this.#progress.over) return undefined;
    const { stream } = this.local;
    if (!webrtc || !stream) throw makeError("webrtcUnavailable");
    const media = new CallMedia(this.#context, webrtc, this.#start, iceServers, stream, {
      send: this.#tell,
      track: (track) => this.#remoteTrack(track),
      failed: this.#hooks.fail,
      trouble: this.#trouble,
    });
    this.#media = media;
    media.addCandidates(this.#early.splice(0));
    this.#watch = new MediaWatch(media, runtime, {
      flowing: (flowing) => this.#flowing(flowing),
      sample: this.#hooks.quality,
      held: this.#hooks.held,
      canRestart: () => this.#context.connection.online && !this.#channel.describing,
    });
    return media;
  }

  /** The answer leaves in this very turn when it is prepared, which it is unless the app answers at once. */
  #take(): void {
    this.#unlisten?.();
    if (this.#progress.over || this.#progress.taken) return;
    this.#progress.taken = true;
    this.#progress.answers();
    const answer = this.#start.conference ? { candidates: [] } : this.#media?.takeAnswer();
    // First what takes its time elsewhere: the answer on its way, the microphone opening.
    const sent = answer && this.#channel.send({ op: "answer", ...answer });
    const video = this.#answering?.video ?? this.#start.video;
    this.local.state.video = video ? "on" : "off";
    this.open(video);
    void (sent ? this.#answerSent(sent) : this.#whenPrepared());
  }

  async #whenPrepared(): Promise<void> {
    // prepare() comes right after the event in which the app may have answered.
    await Promise.resolve();
    await this.#preparing;
    const answer = this.#progress.over ? undefined : this.#media?.takeAnswer();
    if (answer) await this.#answerSent(this.#channel.send({ op: "answer", ...answer }));
  }

  async #answerSent(sent: Promise<Reply>): Promise<void> {
    this.#media?.answerSent();
    this.#goLive();
    const reply = await sent;
    if (reply.ok) {
      this.#media?.answerTaken();
      this.#hooks.answered(this.#context.serverNow());
      this.#tellMedia();
      return;
    }
    if (reply.error.name !== "conflict") return this.#hooks.fail(new CarillonError(reply.error));
    // Another device was faster, or the caller gave up: the event that says which is on its way.
    this.#context.runtime.setTimeout(() => this.#hooks.missed(), 2_000);
  }

  #goLive(): void {
    const media = this.#media;
    if (!media) return;
    this.#progress.taken = true;
    this.local.send(media);
    this.#watch?.start();
    for (const track of this.#withheldTracks.splice(0)) this.#remoteTrack(track);
    this.#hooks.play();
  }

  #remoteTrack(track: MediaStreamTrack): void {
    const stream = this.incoming;
    if (!stream || this.#progress.over) return;
    // A callee sees nothing before it has the call.
    if (this.#start.direction === "incoming" && !this.#progress.taken) {
      this.#withheldTracks.push(track);
      return;
    }
    stream.addTrack(track);
    this.#watch?.watch(track);
    this.#hooks.track(track, stream);
  }

  #flowing(flowing: boolean): void {
    if (flowing) this.#progress.hears();
    this.#tell({ op: "flowing", flowing });
    this.#hooks.flowing(flowing);
  }

  #tellMedia(): void {
    const media = { ...this.local.state };
    const text = JSON.stringify(media);
    if (!this.#progress.reached("answered") || text === this.#toldMedia) return;
    this.#toldMedia = text;
    this.#tell({ op: "media", media });
  }
}
