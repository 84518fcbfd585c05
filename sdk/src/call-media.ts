/** One call's RTCPeerConnection: offers, answers, candidates in batches, tracks. W3C's "perfect negotiation". */
import {
  type CallOperation,
  type Candidate,
  type IceServer,
  limits,
  type SessionDescription,
} from "../../protocol";
import { Alarm } from "./alarm";
import type { CallContext, CallStart } from "./call-context";
import { makeError } from "./errors";
import type { WebRtc } from "./runtime";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  batch = 20,
  /** A phone's network takes no candidates later: it gets those that are there by then, but one at least. */
  gather = 500,
  gatherMost = 3_500,
  look = 10,
}

export interface MediaHooks {
  /** Renegotiation, or a batch of this side's candidates: that never before {@link CallMedia.release}. */
  send(op: Extract<CallOperation, { op: "candidates" | "description" }>): void;
  track(track: MediaStreamTrack, transceiver: RTCRtpTransceiver): void;
  /** The first exchange failed: there will be no media. */
  failed(error: unknown): void;
  /** A later one failed: what runs goes on running. */
  trouble(error: unknown): void;
}

export class CallMedia {
  readonly pc: RTCPeerConnection;
  readonly #context: Pick<CallContext, "runtime" | "options">;
  /** A phone's network gets descriptions with their candidates, and decides how long packets are. */
  readonly #line: boolean;
  /** Gives way when both sides offer at once: the callee. */
  readonly polite: boolean;
  readonly #outgoing: MediaStream;
  readonly #hooks: MediaHooks;
  /** This side's candidates that have not gone out. */
  #gathered: Candidate[] = [];
  #released = false;
  #connecting = false;
  /** The other side's candidates, kept while this side must not be seen by its network. */
  #remote: Candidate[] = [];
  readonly #batch: Alarm;
  #offering = false;
  #negotiating = false;
  /** This side's last offer was. */
  #refused = false;
  #answer: SessionDescription | undefined;
  #chain: Promise<unknown> = Promise.resolve();

  constructor(
    context: Pick<CallContext, "runtime" | "options">,
    { RTCPeerConnection }: WebRtc,
    { direction, line }: Pick<CallStart, "direction" | "line">,
    iceServers: IceServer[],
    outgoing: MediaStream,
    hooks: MediaHooks,
  ) {
    this.#context = context;
    this.#line = !!line;
    this.polite = direction === "incoming";
    this.#outgoing = outgoing;
    this.#hooks = hooks;
    this.#batch = new Alarm(context.runtime);
    this.pc = new RTCPeerConnection({
      iceServers,
      // A gateway need not know of bundles: its answer would be refused.
      bundlePolicy: line ? "balanced" : "max-bundle",
      ...(context.options.forceRelay && { iceTransportPolicy: "relay" }),
    });
    this.pc.onicecandidate = ({ candidate }) => {
      if (candidate?.candidate) this.#gathered.push(candidate.toJSON() as Candidate);
      if (!this.#released) return;
      if (candidate) this.#schedule();
      else this.#flush();
    };
    this.pc.ontrack = ({ track, transceiver }) => hooks.track(track, transceiver);
    this.pc.onnegotiationneeded = () => {
      if (this.#negotiating && !this.#refused) this.#offer();
    };
  }

  /** The caller's first description. Tracks come when the microphone is open: nothing waits for it. */
  async offer(video: boolean): Promise<SessionDescription> {
    for (const kind of video ? ["audio", "video"] : ["audio"]) {
      this.pc.addTransceiver(kind, { direction: "sendrecv", streams: [this.#outgoing] });
    }
    return this.#describe();
  }

  /** The callee's, made while it rings: gathers, but sends nothing to anybody. */
  async prepareAnswer(offer: SessionDescription): Promise<void> {
    await this.pc.setRemoteDescription(this.#paced(offer));
    this.#sendEverything();
    this.#answer = await this.#describe();
  }

  /** What {@link prepareAnswer} made, once it is there, with the candidates so far. */
  takeAnswer(): { description: SessionDescription; candidates: Candidate[] } | undefined {
    const description = this.#answer;
    if (!description) return undefined;
    return { description, candidates: this.#gathered.splice(0, limits.candidatesPerFrame) };
  }

  /** The answer is on its way. */
  answerSent(): void {
    this.release();
    this.#negotiating = true;
  }

  /**
   * This device has the call: its network may look for the other one's. Not before, for the caller
   * would take a slower device's DTLS for that of the device which has the call.
   */
  answerTaken(): void {
    this.#connecting = true;
    for (const candidate of this.#remote.splice(0)) void this.#add(candidate);
  }

  /** The caller has the answer. */
  accept(description: SessionDescription, candidates: Candidate[]): void {
    // The peer connection chains these by itself; waiting here would only add turns.
    this.pc.setRemoteDescription(this.#paced(description)).catch(this.#hooks.failed);
    for (const candidate of candidates) void this.#add(candidate);
    this.#negotiating = this.#connecting = true;
  }

  /** Candidates of this side may go out. */
  release(): void {
    if (this.#line) return;
    this.#released = true;
    if (this.#gathered.length > 0) this.#schedule();
  }

  addCandidates(candidates: Candidate[]): void {
    if (!this.#connecting) this.#remote.push(...candidates);
    else this.#then(() => Promise.all(candidates.map((candidate) => this.#add(candidate))));
  }

  /** The other side renegotiates, or answers. Settles when it is done, or has failed. */
  describe(description: SessionDescription, candidates: Candidate[]): Promise<unknown> {
    return this.#then(async () => {
      if (description.type === "rollback") {
        // The browser goes on wanting what was refused, and says so at once: it would never end.
        this.#refused = this.pc.signalingState === "have-local-offer";
        if (this.#refused) await this.pc.setLocalDescription(description);
        return;
      }
      const offer = description.type === "offer";
      const collision = offer && (this.#offering || this.pc.signalingState !== "stable");
      if (collision && !this.polite) return;
      await this.pc.setRemoteDescription(this.#paced(description));
      for (const candidate of candidates) void this.#add(candidate);
      if (!offer) return;
      this.#sendEverything();
      await this.#renegotiate();
    });
  }

  /** New paths: after a network change. */
  restart(): void {
    this.pc.restartIce();
    this.#again();
  }

  /** What is sent for a kind; null for nothing. Renegotiates only where this kind was never negotiated. */
  setTrack(kind: "audio" | "video", track: MediaStreamTrack | null): void {
    const transceiver = this.#transceiver(kind);
    if (transceiver) transceiver.sender.replaceTrack(track).catch(this.#hooks.trouble);
    else if (track) this.pc.addTrack(track, this.#outgoing);
    if (track && !transceiver?.mid) this.#again();
  }

  sender(kind: "audio" | "video"): RTCRtpSender | undefined {
    return this.#transceiver(kind)?.sender;
  }

  close(): void {
    this.#batch.clear();
    this.pc.onicecandidate = this.pc.ontrack = this.pc.onnegotiationneeded = null;
    this.pc.close();
  }

  #transceiver(kind: string): RTCRtpTransceiver | undefined {
    return this.pc.getTransceivers().find(({ receiver }) => receiver.track.kind === kind);
  }

  /** Ready to send whatever may come, so that a later track needs no new description. */
  #sendEverything(): void {
    for (const transceiver of this.pc.getTransceivers()) {
      if (transceiver.direction !== "recvonly") continue;
      transceiver.direction = "sendrecv";
      transceiver.sender.setStreams?.(this.#outgoing);
    }
  }

  /** After a refusal the browser does not say it when something new is to be negotiated. */
  #again(): void {
    if (this.#refused && this.pc.signalingState === "stable") this.#offer();
  }

  #offer(): void {
    this.#offering = true;
    this.#renegotiate()
      .catch(this.#hooks.trouble)
      .finally(() => {
        this.#offering = this.#refused = false;
      });
  }

  async #renegotiate(): Promise<void> {
    this.#hooks.send({ op: "description", description: await this.#describe(), candidates: [] });
  }

  /** What the other side "asks for" decides how long this side's audio packets are (RFC 8866, 6.4). */
  #paced({ type, sdp }: SessionDescription): SessionDescription {
    if (this.#line) return { type, sdp };
    const ptime = `$1a=ptime:${this.#context.options.audioPacketMs ?? 10}\r\n`;
    const audio = /^(m=audio.*\r?\n(?:[ibc]=.*\r?\n)*)/m;
    return { type, sdp: sdp.replace(/^a=ptime:.*\r?\n/gm, "").replace(audio, ptime) };
  }

  /** Sets this side's description. Candidates travel apart from it, except to a line. */
  async #describe(): Promise<SessionDescription> {
    const { pc } = this;
    await pc.setLocalDescription();
    for (let ms = 0; ; ms += timers.look) {
      const { type, sdp } = pc.localDescription as SessionDescription;
      if (!this.#line) return { type, sdp: sdp.replace(/^a=(candidate|end-of-candidates).*\r?\n/gm, "") };
      // The state may be that of the paths before these.
      const all = ms >= timers.gather || pc.iceGatheringState === "complete";
      const late = ms >= timers.gatherMost;
      if (/a=cand/.test(sdp) ? all : late && this.#negotiating) return { type, sdp };
      if (late) throw makeError("mediaFailed", "no candidates");
      await new Alarm(this.#context.runtime).wait(timers.look);
    }
  }

  #schedule(): void {
    if (!this.#batch.isSet) this.#batch.set(timers.batch, () => this.#flush());
  }

  #flush(): void {
    this.#batch.clear();
    while (this.#gathered.length > 0)
      this.#hooks.send({ op: "candidates", candidates: this.#gathered.splice(0, limits.candidatesPerFrame) });
  }

  /** A candidate of a description that lost a glare, or of an old generation, is none that matters. */
  async #add(candidate: Candidate): Promise<void> {
    await this.pc.addIceCandidate(candidate).catch(() => {});
  }

  /** Descriptions and candidates, one after the other as they came. */
  #then(step: () => Promise<unknown>): Promise<unknown> {
    this.#chain = this.#chain.then(step).catch((error: unknown) => {
      if (this.pc.connectionState !== "closed") this.#hooks.trouble(error);
    });
    return this.#chain;
  }
}
