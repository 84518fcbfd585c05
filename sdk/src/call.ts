import type {
  CallCost,
  CallEvent,
  CallHeaders,
  CallRate,
  CallResult,
  CallState,
  EndCause,
  ErrorBody,
  MediaState,
  SessionDescription,
} from "../../protocol";
import type { CallChannel } from "./call-channel";
import type { CallContext, CallStart } from "./call-context";
import { CallEngine } from "./call-engine";
import { CallProgress } from "./call-progress";
import type { AnswerOptions, CallDetails, CallDirection, CallEvents } from "./call-types";
import type { Conference } from "./conference/engine";
import type { Participant } from "./conference/participant";
import { Emitter } from "./emitter";
import { CarillonError, must, mustBeAddress, mustBeNumber, mustBeUserId, toError } from "./errors";
import type { LocalMedia } from "./local-media";
import { toPushPairs } from "./notification";
import { type CallQuality, type QualityReason, warnings } from "./quality";
import { timedUuid } from "./runtime";
import { QualityAverage, statisticsOf } from "./statistics";

/**
 * One call, of this side or the other. Made by `callClient.callUser()` or given to `incomingCall`.
 *
 * @example
 * call.on("established", () => showTimer());
 * call.on("ended", () => console.log(call.details.endCause, call.details.duration));
 */
export class Call extends Emitter<CallEvents> {
  readonly callId: string;
  readonly direction: CallDirection;
  /** A user, or what was called: a phone number, a SIP address. */
  readonly remoteUserId: string;
  /** What was called, if that is no user. */
  readonly line: "phone" | "sip" | undefined;
  /** The conference that this is a call with: it has participants instead of another side. */
  readonly conferenceId: string | undefined;
  readonly remoteDisplayName: string | undefined;
  readonly headers: CallHeaders;
  /** What comes in: empty until the other side answered. In a conference always: each participant has a `stream`. */
  readonly incomingStream: MediaStream | undefined;
  /** Undefined also as long as it loads. */
  #conference: Conference | undefined;
  /** Settles with undefined when it cannot be loaded, or too late. */
  readonly #loading: Promise<Conference | undefined> | undefined;
  /** @internal */
  readonly local: LocalMedia;

  readonly #context: CallContext;
  readonly #channel: CallChannel;
  readonly #start: CallStart;
  readonly #receivedIn: "active" | "background" | undefined;
  readonly #progress: CallProgress;
  readonly #engine: CallEngine;
  readonly #averages = new QualityAverage();
  readonly #warned = new Set<QualityReason>();
  #remoteMedia: MediaState;
  #remoteHeaders: CallHeaders = {};
  /** Undefined until it is known. */
  #headersOmitted: boolean | undefined;
  #rate: CallRate | undefined;
  #cost: CallCost | undefined;

  /** @internal */
  constructor(context: CallContext, channel: CallChannel, start: CallStart) {
    super();
    this.#context = context;
    this.#channel = channel;
    this.callId = channel.callId;
    this.direction = start.direction;
    this.remoteUserId = start.remoteUserId;
    this.line = start.line;
    this.conferenceId = start.conference;
    this.remoteDisplayName = start.remoteDisplayName;
    this.headers = start.headers;
    this.#start = start;
    this.#progress = new CallProgress(context.runtime, context.serverNow, start.times);
    if (start.direction === "incoming") {
      this.#receivedIn = start.receivedIn ?? (context.runtime.page.hidden() ? "background" : "active");
    }
    this.#engine = new CallEngine(context, channel, this.#progress, start, {
      play: () => context.audio.play(this),
      answered: (time) => this.#advance("answered", time),
      missed: () => this.#finish("otherDeviceAnswered"),
      fail: (error) => this.fail(error),
      track: (track, stream) => {
        this.emit("remoteTrack", { track, stream });
        if (track.kind === "video") this.emit("videoTrackAdded", this);
      },
      flowing: (flowing) => this.#warn("mediaLost", !flowing),
      quality: (quality) => this.#measured(quality),
      held: () => this.held || this.#remoteMedia.held,
    });
    this.incomingStream = this.#engine.incoming;
    this.local = this.#engine.local;
    // It is thought to be as this side's until it says otherwise.
    this.#remoteMedia = { ...this.local.state };
    if (start.conference) this.#loading = this.#load();
  }

  get state(): CallState {
    return this.#progress.state;
  }

  /** What goes out: empty until the microphone is open. */
  get outgoingStream(): MediaStream | undefined {
    return this.local.stream;
  }

  get muted(): boolean {
    return this.local.state.muted;
  }

  get held(): boolean {
    return this.local.state.held;
  }

  /** This side's video. */
  get video(): MediaState["video"] {
    return this.local.state.video;
  }

  /** What the other side says about its media; in a conference nobody's: see {@link participants}. */
  get remoteMedia(): MediaState {
    return { ...this.#remoteMedia };
  }

  /** Who is in the conference besides this side, in the order in which they came. Snapshots. */
  get participants(): Participant[] {
    return this.#conference?.participants ?? [];
  }

  /** What the other side's SIP network has said with its answer, and at the end; `x-` all of it. */
  get remoteHeaders(): CallHeaders {
    return this.#remoteHeaders;
  }

  get details(): CallDetails {
    const { times, endCause, error, duration } = this.#progress;
    return {
      callId: this.callId,
      direction: this.direction,
      remoteUserId: this.remoteUserId,
      headers: this.headers,
      videoOffered: this.#start.video,
      pushHeadersOmitted: this.#headersOmitted,
      applicationStateWhenReceived: this.#receivedIn,
      startedTime: times.started,
      progressingTime: times.progressing,
      ringingTime: times.ringing,
      answeredTime: times.answered,
      establishedTime: times.established,
      endedTime: times.ended,
      endCause,
      error,
      duration,
      rate: this.#rate,
      cost: this.#cost,
    };
  }

  /** The last second's quality; null while no media runs. */
  getQuality(): CallQuality | null {
    return this.#conference?.quality ?? this.#engine.quality ?? null;
  }

  /**
   * Takes an incoming call. While the page is in the background it is carried out when it comes
   * back, unless the client supports the active connection in background. Errors come as `ended`.
   *
   * @throws CarillonError `invalidUse` for an outgoing call.
   */
  answer(options: AnswerOptions = {}): void {
    must(this.direction === "incoming", "not an incoming call");
    this.#engine.answer(options);
  }

  /** Cancels, declines or ends the call, whichever it is by now. */
  hangup(): void {
    if (this.#progress.over) return;
    const early = this.direction === "outgoing" ? "canceled" : "denied";
    this.#leave();
    this.#finish(this.#progress.answered ? "hungUp" : early);
  }

  /**
   * Blind transfer: the other side calls `userId` of this application instead, and this call ends.
   *
   * @throws CarillonError (rejects) `invalidUse` for a malformed user id or in a conference, `conflict` before
   * the answer.
   */
  async transfer(userId: string): Promise<void> {
    mustBeUserId(userId);
    must(!this.conferenceId, "a conference");
    const reply = await this.#channel.send({ op: "transfer", to: userId });
    if (!reply.ok) throw new CarillonError(reply.error);
    this.#settled(reply.value as Partial<CallResult>);
  }

  /**
   * How large a participant's video is shown, in CSS pixels; null for not at all. What is small or not shown
   * costs less. Until the first call of this, the videos of nine are received, in the middle of three sizes.
   *
   * @throws CarillonError `invalidUse` when this is no conference.
   * @example
   * new ResizeObserver(([tile]) => call.setVideoSize(id, tile.contentRect)).observe(video);
   */
  setVideoSize(participantId: string, size: { width: number; height: number } | null): void {
    this.#inConference((conference) => conference.setVideoSize(participantId, size));
  }

  /**
   * Brings a user of this application into the conference. `invitation` tells what becomes of it; what is
   * returned is its id, and the participant's.
   *
   * @throws CarillonError `invalidUse` for a malformed user id, when this is no conference or not answered.
   */
  invite(userId: string, { video = this.video !== "off" }: { video?: boolean } = {}): string {
    mustBeUserId(userId);
    return this.#invite(userId, undefined, video);
  }

  /** As {@link invite} a phone: E.164. */
  invitePhoneNumber(number: string): string {
    mustBeNumber(number);
    return this.#invite(number, "phone");
  }

  /** As {@link invite} a SIP address: `user@domain`. */
  inviteSip(address: string): string {
    mustBeAddress(address);
    return this.#invite(address, "sip");
  }

  /** The other side hears silence. */
  mute(): void {
    this.local.set({ muted: true });
  }

  unmute(): void {
    this.local.set({ muted: false });
  }

  /** Neither side hears or sees the other, until {@link resume}. In a conference: this side and all others. */
  hold(): void {
    this.#hold(true);
  }

  resume(): void {
    this.#hold(false);
  }

  /** Keeps the camera and sends no picture. */
  pauseVideo(): void {
    if (this.video === "on") this.local.set({ video: "paused" });
  }

  resumeVideo(): void {
    if (this.video === "paused") this.local.set({ video: "on" });
  }

  /** Opens the camera and sends it, also in a call that began without video. Rejects with `permissionDenied` or `deviceMissing`. */
  async startVideo(): Promise<void> {
    this.#mustLive();
    await this.local.startVideo();
  }

  stopVideo(): void {
    this.local.stopVideo();
  }

  /** Sends the screen instead of the camera. Rejects with `permissionDenied` when the person chooses none. */
  async startScreenSharing(): Promise<void> {
    this.#mustLive();
    await this.local.startScreen();
  }

  async stopScreenSharing(): Promise<void> {
    await this.local.stopScreen();
  }

  /**
   * Sends tones: in the media (RFC 4733) where the other side takes them there, beside it otherwise.
   *
   * @throws CarillonError `invalidUse` for keys other than `0-9 # * A-D`, before the answer, or in a conference.
   */
  sendDTMF(keys: string): void {
    const tones = keys.toUpperCase();
    must(/^[0-9#*A-D]+$/.test(tones), "keys: not 0-9 # * A-D");
    must(!this.conferenceId, "a conference");
    this.#mustLive();
    const { dtmf } = this.#engine;
    if (dtmf?.canInsertDTMF) dtmf.insertDTMF(dtmf.toneBuffer + tones);
    else void this.#channel.send({ op: "dtmf", keys: tones });
  }

  // ---- what the client does with it -----------------------------------------------------------

  /** @internal The caller's side begins; the app has its listeners by then. */
  async begin(): Promise<void> {
    await Promise.resolve();
    const offering = this.#engine.offer();
    const { video, ringSeconds } = this.#start;
    // After offer(), so that a fresh ICE server list makes the offer start first.
    this.#engine.open(video);
    const media = await offering;
    if (!media || this.#progress.over) return;
    const started = this.#channel.send({
      op: "start",
      to: this.remoteUserId,
      line: this.conferenceId ? "conference" : this.line,
      displayName: this.#context.options.displayName,
      video,
      headers: this.headers,
      ...media,
      ringSeconds,
    });
    this.#engine.offerSent();
    if (!this.conferenceId) this.#context.audio.play(this);
    const reply = await started;
    if (!reply.ok) this.#finish("failure", new CarillonError(reply.error));
    else this.#settled(reply.value as Partial<CallResult>);
  }

  /** @internal The callee's side, after the app has seen the call and not dismissed it. */
  ring(offer: SessionDescription | undefined): void {
    if (this.#progress.over) return;
    void this.#channel.send({ op: "ringing" }).then((reply) => {
      // The server lost it before it was stored: nobody will ever end it.
      if (!reply.ok && reply.error.name === "notFound") this.lost();
    });
    this.#advance("ringing", this.#context.serverNow());
    this.#engine.prepare(offer);
  }

  /** @internal */
  receive(event: CallEvent): void {
    if (this.#progress.over) return;
    switch (event.event) {
      case "progressing":
        this.#settled(event);
        return;
      case "ringing":
        this.#advance(event.event, event.time);
        return;
      case "answered":
        this.#progress.answers();
        this.#hear(event);
        if (event.prompt) this.#engine.prompt(event.prompt, event.time);
        else this.#engine.answered(event.description, event.candidates, event.time);
        return;
      case "room":
        void this.#loading?.then((conference) => conference?.receive(event.room));
        return;
      case "earlyMedia":
        this.#engine.preview(event.description);
        return;
      case "dtmf":
        this.emit("dtmf", event.keys);
        return;
      case "candidates":
        this.#engine.addCandidates(event.candidates);
        return;
      case "description":
        this.#engine.describe(event.description, event.candidates);
        return;
      case "media":
        this.#remoteMedia = event.media;
        this.emit("remoteMedia", this.remoteMedia);
        return;
      case "established":
        this.#advance("answered", event.time);
        this.#advance("established", event.time);
        return;
      case "transferred":
        this.#context.transferred(this, event.to);
        return;
      case "ended":
        this.#progress.times = { ...this.#progress.times, ...event.times };
        this.#hear(event);
        this.#finish(event.cause, event.error && new CarillonError(event.error));
        return;
    }
  }

  /** @internal What the person chose in a notification. */
  act(action: string | undefined): void {
    if (action === "answer") this.answer();
    // A notification may be old: it ends no conversation.
    if (action === "decline" && !this.#progress.answered) this.hangup();
  }

  /** @internal A push says that it is over; the connection may not have said it yet. */
  cancel(cause: EndCause): void {
    if (!this.#progress.answered) this.#finish(cause);
  }

  /** @internal The server knows nothing of it any more. */
  lost(): void {
    this.#finish("inactive");
  }

  /** @internal The network or the active connection came back. */
  nudge(): void {
    this.#engine.nudge();
    this.#conference?.nudge();
  }

  /** @internal This side cannot go on. */
  fail(thrown: unknown): void {
    if (this.#progress.over) return;
    const error = toError(thrown, "mediaFailed");
    this.#leave(error.body);
    this.#finish("failure", error);
  }

  // ---- what becomes of it ---------------------------------------------------------------------

  #leave(error?: ErrorBody): void {
    if (this.#channel.discard()) return;
    void this.#channel.send({ op: "hangup", error }).then((reply) => {
      if (reply.ok) this.#hear((reply.value as Partial<CallResult>).ended);
    });
  }

  /** What a phone's network adds: headers, and at the end what it has cost. */
  #hear({ headers, cost }: { headers?: CallHeaders; cost?: CallCost } = {}): void {
    Object.assign(this.#remoteHeaders, headers);
    if (!cost || this.#cost) return;
    this.#cost = cost;
    // Otherwise it comes after `ended`.
    if (this.#progress.over) this.emit("cost", cost);
  }

  /** What an operation brought about comes with its answer. */
  #settled({ time, devices, ended, pushPairs, headersOmitted, rate }: Partial<CallResult>): void {
    this.#rate ??= rate;
    if (ended) this.receive({ event: "ended", ...ended });
    // After a resume it is told again.
    else if (time && devices && this.#headersOmitted === undefined) {
      this.#advance("progressing", time);
      this.#headersOmitted = !!headersOmitted;
      if (headersOmitted) this.#context.log("warning", "push", "Pushes go without headers.");
      if (pushPairs) this.emit("shouldSendPushNotification", toPushPairs(pushPairs));
    }
  }

  #measured(quality: CallQuality): void {
    this.#averages.add(quality);
    this.emit("quality", quality);
    for (const [reason, active] of warnings(quality)) this.#warn(reason, active);
  }

  #warn(reason: QualityReason, active: boolean): void {
    if (this.#warned.has(reason) === active) return;
    if (active) this.#warned.add(reason);
    else this.#warned.delete(reason);
    this.emit("qualityWarning", { reason, active, quality: this.getQuality() ?? {} });
  }

  #hold(held: boolean): void {
    this.local.set({ held });
    (this.#conference ?? this.#context.audio).quieten();
  }

  /** A conference's part of the SDK, which comes while the server takes this side in. */
  async #load(): Promise<Conference | undefined> {
    const { runtime } = this.#context;
    try {
      const { Conference } = await (runtime.loadConference?.() ?? import("./conference/engine"));
      if (this.#progress.over) return undefined;
      this.#conference = new Conference(this.#context, this, {
        tell: (room) => this.#channel.send({ op: "room", room }),
        flows: () => this.#progress.hears(),
        quality: (quality) => this.#measured(quality),
      });
      this.local.send(this.#conference);
      return this.#conference;
    } catch (error) {
      this.fail(toError(error, "networkLost"));
      return undefined;
    }
  }

  #inConference(act: (conference: Conference) => void): void {
    must(this.#loading, "no conference");
    void this.#loading.then((conference) => conference && act(conference));
  }

  #invite(to: string, line?: "phone" | "sip", video?: boolean): string {
    this.#mustLive();
    const id = timedUuid(this.#context.runtime);
    this.#inConference((conference) => conference.invite({ id, to, line, video }));
    return id;
  }

  #mustLive(): void {
    must(this.#progress.reached("answered") && !this.#progress.over, "not in a call");
  }

  #advance(state: "progressing" | "ringing" | "answered" | "established", time: number): void {
    if (!this.#progress.advance(state, time)) return;
    this.#context.log("info", "call", `${this.callId} is ${state}.`);
    this.emit(state, this);
  }

  #finish(cause: EndCause, error?: CarillonError): void {
    if (!this.#progress.end(cause, error)) return;
    this.#context.log("info", "call", `${this.callId} ended: ${cause} ${error ?? ""}`);
    this.#engine.close();
    this.#conference?.close();
    this.emit("ended", this);
    if (this.#cost) this.emit("cost", this.#cost);
    const { result } = this.#averages;
    this.#context.ended(this, statisticsOf(this, this.#channel.origin, this.#progress, result));
  }
}
