/**
 * A call with a conference: its participants, and how media comes and goes. Loaded when the first such call
 * begins, so that a page without conferences does not pay for it.
 */
import type { ErrorBody, ParticipantInfo, RoomEvent, RoomOperation } from "../../../protocol";
import { Alarm } from "../alarm";
import type { Call } from "../call";
import type { CallContext } from "../call-context";
import type { CallEvents } from "../call-types";
import type { Reply } from "../connection";
import { CarillonError, makeError, toError } from "../errors";
import type { CallQuality } from "../quality";
import type { WebRtc } from "../runtime";
import { Mesh } from "./mesh";
import { Overlap } from "./overlap";
import type { Participant } from "./participant";
import type { BridgeHooks, BridgesPart, Voice } from "./parts";
import { isHeld, isSilent, Roster } from "./roster";
import { type Incoming, Seat } from "./seat";
import { Sfu, type SfuHooks } from "./sfu";
import { type Size, shownVideos } from "./shown";
import { Speaking } from "./speaking";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  /** What the app says of sizes comes in bursts: a window is resized. */
  show = 100,
  /** Before what was refused is said again. */
  again = 1_000,
}

export interface ConferenceHooks {
  tell(operation: RoomOperation): Promise<Reply>;
  /** Media comes in. */
  flows(): void;
  quality(quality: CallQuality): void;
}

export class Conference {
  readonly #context: CallContext;
  readonly #call: Call;
  readonly #hooks: ConferenceHooks;
  /** Of both ways. */
  readonly #common: Pick<SfuHooks, "flows" | "sample" | "trouble">;
  readonly #webrtc: WebRtc;
  readonly #outgoing: MediaStream;
  readonly #roster = new Roster();
  readonly #seats = new Map<string, Seat>();
  readonly #mesh: Mesh;
  #sfu: Sfu | undefined;
  readonly #speaking: Speaking;
  #speakers: ReadonlySet<string> = new Set();
  #microphone: MediaStreamTrack | undefined;
  #camera: MediaStreamTrack | undefined;
  #bridges: Promise<BridgesPart | undefined> | undefined;
  /** Of the phones that are hosted here, also before they are participants. */
  readonly #phones = new Map<string, Voice>();
  #sizes: Map<string, Size | null> | undefined;
  readonly #showing: Alarm;
  /** What the room knows of that, as JSON. */
  #shown = "{}";
  readonly #overlap: Overlap;
  /** Somebody was in before: how long their media takes is a figure of the call's. */
  #met = false;
  #closed = false;
  readonly #trouble = (error: unknown) => {
    if (!this.#closed) this.#context.log("warning", "media", toError(error, "mediaFailed").message);
  };

  constructor(context: CallContext, call: Call, hooks: ConferenceHooks) {
    const { webrtc, runtime } = context;
    const { outgoingStream } = call;
    if (!webrtc || !outgoingStream) throw makeError("webrtcUnavailable");
    this.#context = context;
    this.#call = call;
    this.#hooks = hooks;
    this.#webrtc = webrtc;
    this.#outgoing = outgoingStream;
    this.#showing = new Alarm(runtime);
    const common = {
      flows: () => this.#met && hooks.flows(),
      sample: (quality: CallQuality) => {
        if (!this.#closed) hooks.quality(quality);
      },
      trouble: this.#trouble,
    };
    this.#common = common;
    this.#mesh = new Mesh(context, webrtc, outgoingStream, {
      ...common,
      tell: (signals) => this.#tell({ type: "signal", signals }),
      incoming: (id, incoming) => this.#incoming(id, incoming),
      gone: (id) => this.#leftMesh(id),
      held: (id) => this.#silent(id),
    });
    this.#overlap = new Overlap(runtime, {
      tell: (id) => void this.#tell({ type: "signal", signals: [{ peer: id, heard: true }] }),
      close: (id) => this.#mesh.drop(id),
    });
    this.#speaking = new Speaking({
      runtime,
      voices: () => this.#voices(),
      changed: (speaking, active) => this.#spoke(speaking, active),
    });
  }

  get participants(): Participant[] {
    return this.#roster.members.flatMap((info) => this.#participant(info) ?? []);
  }

  get quality(): CallQuality | undefined {
    return this.#sfu?.quality ?? this.#mesh.quality;
  }

  receive(events: readonly RoomEvent[]): void {
    for (const event of events) if (!this.#closed) this.#hear(event);
  }

  /** What this side sends, on every way. */
  setTrack(kind: "audio" | "video", track: MediaStreamTrack | null): void {
    if (kind === "audio") this.#microphone = track ?? undefined;
    else this.#camera = track ?? undefined;
    this.#mesh.setTrack(kind, track);
    this.#sfu?.setTrack(kind, track);
    this.#mix();
  }

  setVideoSize(id: string, size: Size | null): void {
    this.#sizes ??= new Map();
    this.#sizes.set(id, size);
    this.#show();
  }

  /** Brings somebody in: what becomes of it is told. */
  invite(invitation: Omit<Extract<RoomOperation, { type: "invite" }>, "type">): void {
    const { id } = invitation;
    void this.#tell({ type: "invite", ...invitation }).then((error) => {
      if (error) this.#invitation({ type: "invitation", id, state: "ended", cause: "failure", error });
    });
  }

  /** Somebody is held or silenced, this side perhaps, or is not any more. */
  quieten(): void {
    this.#context.audio.quieten();
    for (const { id, voice, picture } of this.#seats.values()) {
      if (picture) picture.track.enabled = !this.#silent(id, isHeld);
      // Where there are no elements to be muted, as in React Native.
      if (voice && !globalThis.Audio) voice.track.enabled = !this.#silent(id);
    }
    this.#mix();
  }

  /** The network or the active connection came back. */
  nudge(): void {
    this.#mesh.nudge();
    this.#sfu?.nudge();
    void this.#bridges?.then((bridges) => bridges?.nudge());
  }

  close(): void {
    this.#closed = true;
    this.#speaking.stop();
    this.#showing.clear();
    this.#overlap.end();
    this.#mesh.close();
    this.#sfu?.close();
    void this.#bridges?.then((bridges) => bridges?.close());
    for (const seat of this.#seats.values()) this.#context.audio.detach(seat);
  }

  /** Settles with the error of what the room has refused. */
  async #tell(operation: RoomOperation): Promise<ErrorBody | undefined> {
    if (this.#closed) return undefined;
    const reply = await this.#hooks.tell(operation);
    return reply.ok || this.#closed ? undefined : reply.error;
  }

  // ---- what the room says ---------------------------------------------------------------------

  #hear(event: RoomEvent): void {
    const before = "id" in event ? this.#roster.find(event.id) : undefined;
    const left = before && event.type === "participantLeft" && this.#participant(before);
    this.#roster.apply(event);
    switch (event.type) {
      case "joined":
        this.#met = event.participants.length > 0;
        for (const { id, line } of this.#roster.members) this.#take(id, line);
        if (event.plan === "sfu") this.#openSfu();
        for (const participant of this.participants) this.#emit("participantJoined", participant);
        if (event.silence.muted || event.silence.held) this.#silenced();
        return;
      case "participantJoined":
        this.#take(event.participant.id, event.participant.line, true);
        this.#say("participantJoined", event.participant.id);
        return;
      case "participantLeft":
        this.#remove(event.id);
        if (left) this.#emit("participantLeft", left);
        return;
      case "participantChanged":
        this.quieten();
        this.#show();
        this.#say("participantUpdated", event.change.id);
        return;
      case "silence":
        this.#silenced();
        return;
      case "signal":
        for (const { peer, heard } of event.signals) if (heard) this.#overlap.heard(peer, false);
        this.#mesh.receive(event.signals);
        return;
      case "plan":
        if (event.plan === "sfu") this.#moveToSfu();
        return;
      case "invitation":
        this.#invitation(event);
        return;
      case "bridge":
      case "bridgeDescription":
      case "bridgeEnded":
        this.#bridge(event);
        return;
      default:
        this.#sfu?.receive(event);
    }
  }

  /** Somebody is there: with a stream, and in a mesh with a connection. `later` than this side. */
  #take(id: string, line: ParticipantInfo["line"], later = false): void {
    const stream = new this.#webrtc.MediaStream();
    const silent = () => this.#silent(id);
    this.#seats.set(id, new Seat(id, stream, silent, (incoming) => this.#flows(id, incoming)));
    if (line) {
      const voice = this.#phones.get(id);
      if (voice) this.#sendPhone(id, voice);
    } else if (this.#roster.plan === "mesh") {
      const video = this.#call.video !== "off" || this.#roster.find(id)?.media.video !== "off";
      if (later) this.#mesh.expect(id);
      else this.#mesh.offerTo(id, video);
    }
    this.#show();
    this.#speaking.start();
  }

  #remove(id: string): void {
    this.#overlap.forget(id);
    this.#mesh.drop(id);
    const seat = this.#seats.get(id);
    this.#seats.delete(id);
    if (seat) this.#context.audio.detach(seat);
    if (this.#phones.has(id)) this.#sendPhones();
    this.#sizes?.delete(id);
    this.#mix();
    if (this.#seats.size === 0) this.#speaking.stop();
  }

  #silenced(): void {
    const { silence } = this.#roster;
    this.#call.local.silence(silence);
    this.quieten();
    this.#emit("silenced", { ...silence });
  }

  #invitation(event: Extract<RoomEvent, { type: "invitation" }>): void {
    const { id, state } = event;
    const end = event.state === "ended" && {
      endCause: event.cause,
      error: event.error && new CarillonError(event.error),
    };
    this.#emit("invitation", { id, state, ...end });
  }

  // ---- what comes in --------------------------------------------------------------------------

  #incoming(id: string, incoming: Incoming): void {
    if (this.#closed) return;
    this.#seats.get(id)?.put(incoming);
    if (incoming.way === "sfu") this.#overlaps(id);
  }

  /** It is heard or seen from now on. */
  #flows(id: string, { track }: Incoming): void {
    const seat = this.#seats.get(id);
    if (this.#closed || !seat) return;
    if (track.kind === "audio") this.#context.audio.play(seat);
    this.quieten();
    const participant = this.#snapshot(id);
    if (!participant) return;
    this.#emit("remoteTrack", { track, stream: seat.incomingStream, participant });
    if (track.kind === "video") this.#emit("videoTrackAdded", this.#call);
  }

  /** Phones that it is the host of came by its connection, too. */
  #leftMesh(id: string): void {
    for (const seat of this.#seats.values()) {
      if (seat.id === id || this.#roster.find(seat.id)?.host === id) seat.leave("mesh");
    }
    this.#mix();
  }

  /** Not to be heard here, or not to be seen: it is held, or this side is; or it is silenced. */
  #silent(id: string, is = isSilent): boolean {
    const info = this.#roster.find(id);
    return this.#call.held || this.#roster.silence.held || !info || is(info);
  }

  #voices(): ReadonlyMap<string, Voice> {
    const voices = new Map<string, Voice>();
    for (const { id, voice } of this.#seats.values()) {
      if (voice && !this.#silent(id)) voices.set(id, voice);
    }
    return voices;
  }

  #spoke(speaking: ReadonlySet<string>, active: readonly string[]): void {
    const before = this.#speakers;
    this.#speakers = speaking;
    for (const id of this.#seats.keys()) {
      if (before.has(id) !== speaking.has(id)) this.#say("participantUpdated", id);
    }
    this.#emit(
      "activeSpeakers",
      active.flatMap((id) => this.#snapshot(id) ?? []),
    );
  }

  // ---- through the SFU ------------------------------------------------------------------------

  #openSfu(): void {
    if (this.#sfu) return;
    this.#sfu = new Sfu(this.#context, this.#webrtc, this.#outgoing, {
      ...this.#common,
      tell: (operation) => this.#tell(operation),
      screen: () => this.#call.video === "screen",
      heard: (id) => this.#seats.get(id)?.voice?.way === "mesh",
      incoming: (id, incoming) => this.#incoming(id, incoming),
      gone: (id, track) => this.#seats.get(id)?.drop(track),
      fresh: () => {
        this.#shown = "{}";
        this.#show();
      },
    });
    this.#sfu.setTrack("audio", this.#microphone ?? null);
    this.#sfu.setTrack("video", this.#camera ?? null);
    this.#sendPhones();
    this.#sfu.open();
  }

  /** A participant's connection of the mesh stays until the SFU has brought its voice, so that nobody hears a gap. */
  #moveToSfu(): void {
    this.#mesh.retire();
    this.#overlap.begin(this.#mesh.ids);
    this.#openSfu();
  }

  /** Something of this one comes through the SFU: all that its connection of the mesh has brought? */
  #overlaps(id: string): void {
    const sender = this.#roster.find(id)?.host ?? id;
    const voices = this.#roster.members.filter((info) => info.id === sender || info.host === sender);
    if (voices.every((info) => this.#seats.get(info.id)?.voice?.way === "sfu"))
      this.#overlap.heard(sender, true);
  }

  /** Whose video is wanted; some time after the last change. */
  #show(wait: number = timers.show): void {
    if (this.#roster.plan !== "sfu" || this.#showing.isSet) return;
    this.#showing.set(wait, async () => {
      const videos = shownVideos(this.#roster.members, this.#sizes);
      const text = JSON.stringify(videos);
      if (text === this.#shown) return;
      this.#shown = text;
      const refused = await this.#tell({ type: "show", videos });
      if (!refused || text !== this.#shown) return;
      this.#shown = "";
      // Once: what is refused twice waits for the next change.
      if (wait !== timers.again) this.#show(timers.again);
    });
  }

  // ---- phones that are hosted here ------------------------------------------------------------

  #bridge(event: Parameters<BridgesPart["receive"]>[0]): void {
    this.#bridges ??= this.#loadBridges();
    void this.#bridges.then((bridges) => {
      if (bridges) bridges.receive(event);
      else if (event.type === "bridge") void this.#tell({ type: "bridgeFailed", id: event.id });
    });
  }

  async #loadBridges(): Promise<BridgesPart | undefined> {
    try {
      const { Bridges } = await import("./bridge");
      if (this.#closed) return undefined;
      const bridges = new Bridges({
        context: this.#context,
        send: (operation) => void this.#sendBridge(operation),
        voice: (id, voice) => this.#phoneSpeaks(id, voice),
      });
      this.#feed(bridges);
      return bridges;
    } catch (error) {
      this.#trouble(error);
      this.#bridges = undefined;
      return undefined;
    }
  }

  /** What the room does not take of this host may come from another one. */
  async #sendBridge(operation: Parameters<BridgeHooks["send"]>[0]): Promise<void> {
    const refused = await this.#tell(operation);
    if (refused && operation.type === "bridge") void this.#tell({ type: "bridgeFailed", id: operation.id });
  }

  #phoneSpeaks(id: string, voice: Voice | undefined): void {
    const before = this.#phones.get(id);
    if (voice) this.#phones.set(id, voice);
    else this.#phones.delete(id);
    if (before && !voice) this.#seats.get(id)?.drop(before.track);
    if (voice && this.#seats.has(id)) this.#sendPhone(id, voice);
    else this.#sendPhones();
  }

  #sendPhone(id: string, voice: Voice): void {
    this.#incoming(id, { ...voice, way: "bridge" });
    this.#sendPhones();
  }

  /** Those that are participants by now. */
  #sendPhones(): void {
    const phones = new Map<string, MediaStreamTrack>();
    for (const [id, { track }] of this.#phones) if (this.#seats.has(id)) phones.set(id, track);
    this.#mesh.setPhones(phones);
    this.#sfu?.setPhones(phones);
  }

  #mix(): void {
    void this.#bridges?.then((bridges) => bridges && this.#feed(bridges));
  }

  /** What phones here hear: also while this side is on hold, which they are not. */
  #feed(bridges: BridgesPart): void {
    const sources = new Map<string, MediaStreamTrack>();
    const deaf = new Set<string>();
    if (this.#microphone) sources.set(this.#call.callId, this.#microphone);
    for (const { id, voice } of this.#seats.values()) {
      const info = this.#roster.find(id);
      if (voice && info && !isSilent(info)) sources.set(id, voice.track);
      if (info?.silence.held) deaf.add(id);
    }
    bridges.setSources(sources, deaf);
  }

  // ---- what the app sees ----------------------------------------------------------------------

  #say(event: "participantJoined" | "participantUpdated", id: string): void {
    const participant = this.#snapshot(id);
    if (participant) this.#emit(event, participant);
  }

  /** Nothing comes after `ended`, which the app may have brought about in a listener. */
  #emit<E extends keyof CallEvents>(
    event: E,
    ...value: CallEvents[E] extends undefined ? [] : [CallEvents[E]]
  ) {
    if (!this.#closed) this.#call.emit(event, ...value);
  }

  #snapshot(id: string): Participant | undefined {
    const info = this.#roster.find(id);
    return info && this.#participant(info);
  }

  #participant(info: ParticipantInfo): Participant | undefined {
    const { id, userId, displayName, line, joined, media, silence, away } = info;
    const seat = this.#seats.get(id);
    return (
      seat && {
        id,
        userId,
        displayName,
        line,
        joined,
        muted: media.muted || silence.muted,
        held: media.held || silence.held,
        video: media.video,
        silenced: silence.muted || silence.held,
        away: !!away,
        speaking: this.#speakers.has(id),
        stream: seat.incomingStream,
      }
    );
  }
}
