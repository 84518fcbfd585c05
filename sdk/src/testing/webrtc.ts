/** WebRTC without media: descriptions and candidates have to be exchanged as in the real one before packets count up. */
import type { WebRtc } from "../runtime";

type Kind = "audio" | "video";

export class FakeTrack extends EventTarget {
  enabled = true;
  /** One that comes in is, until its first packet: a test says when that is. */
  muted = false;
  readyState: "live" | "ended" = "live";

  constructor(
    readonly kind: Kind,
    private readonly settings: MediaTrackSettings = {},
  ) {
    super();
  }

  getSettings(): MediaTrackSettings {
    return this.settings;
  }

  stop(): void {
    this.readyState = "ended";
  }

  unmute(): void {
    this.muted = false;
    this.dispatchEvent(new Event("unmute"));
  }
}

class FakeStream {
  readonly tracks = new Set<FakeTrack>();

  constructor(tracks: FakeTrack[] = []) {
    for (const track of tracks) this.tracks.add(track);
  }

  addTrack(track: FakeTrack): void {
    this.tracks.add(track);
  }

  removeTrack(track: FakeTrack): void {
    this.tracks.delete(track);
  }

  getTracks(): FakeTrack[] {
    return [...this.tracks];
  }

  getAudioTracks(): FakeTrack[] {
    return this.getTracks().filter(({ kind }) => kind === "audio");
  }

  getVideoTracks(): FakeTrack[] {
    return this.getTracks().filter(({ kind }) => kind === "video");
  }
}

class FakeTransceiver {
  direction: string;
  mid: string | null = null;
  readonly receiver: { track: FakeTrack; getSynchronizationSources?: () => object[] };
  readonly sender: {
    track: FakeTrack | null;
    encodings?: { rid?: string }[];
    dtmf?: { canInsertDTMF: boolean; toneBuffer: string; insertDTMF(tones: string): void };
    replaceTrack(track: FakeTrack | null): Promise<void>;
  };

  constructor(kind: Kind, direction: string, track: FakeTrack | null = null) {
    this.direction = direction;
    this.receiver = { track: new FakeTrack(kind) };
    this.receiver.track.muted = true;
    const sender: FakeTransceiver["sender"] = {
      track,
      replaceTrack: async (next: FakeTrack | null) => {
        sender.track = next;
      },
    };
    this.sender = sender;
  }

  get kind(): Kind {
    return this.receiver.track.kind;
  }

  stop(): void {
    this.direction = "stopped";
  }
}

interface Description {
  type: string;
  sdp: string;
}

/** One device's network and microphone. */
export class FakeWebRtc {
  readonly connections: FakePeerConnection[] = [];
  readonly opened: FakeTrack[] = [];
  /** What getUserMedia rejects with. */
  mediaError: Error | undefined;
  /** How long the person thinks about the permission. */
  permissionMs = 5;
  /** Of the camera's picture. */
  width = 1_280;
  height = 720;
  /** A candidate is there with the description, and the others are not seen in it. */
  early = true;
  /** When all of this device's candidates are there. */
  gatherMs = 30;
  /** From the description to a candidate. */
  candidateMs = 2;
  up = true;

  constructor(private readonly world: Set<FakePeerConnection>) {}

  get webrtc(): WebRtc {
    const device = this;
    const world = this.world;
    return {
      RTCPeerConnection: class extends FakePeerConnection {
        constructor() {
          super(world, device);
          device.connections.push(this);
        }
      },
      MediaStream: FakeStream,
      mediaDevices: {
        getUserMedia: async (constraints: MediaStreamConstraints) => {
          await new Promise((resolve) => setTimeout(resolve, device.permissionMs));
          if (device.mediaError) throw device.mediaError;
          const kinds = (["audio", "video"] as const).filter((kind) => constraints[kind]);
          const tracks = kinds.map(
            (kind) =>
              new FakeTrack(kind, kind === "video" ? { width: device.width, height: device.height } : {}),
          );
          device.opened.push(...tracks);
          return new FakeStream(tracks);
        },
        getDisplayMedia: async () => {
          const track = new FakeTrack("video", { width: 1_920, height: 1_080 });
          device.opened.push(track);
          return new FakeStream([track]);
        },
      },
    } as unknown as WebRtc;
  }

  get last(): FakePeerConnection {
    const connection = this.connections.at(-1);
    if (!connection) throw new Error("No connection was made.");
    return connection;
  }
}

let made = 0;

export class FakePeerConnection {
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  ontrack: ((event: { track: FakeTrack; transceiver: FakeTransceiver }) => void) | null = null;
  onnegotiationneeded: (() => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onicegatheringstatechange: (() => void) | null = null;
  iceGatheringState = "new";
  signalingState = "stable";
  connectionState = "new";
  localDescription: Description | null = null;
  remoteDescription: Description | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  readonly remoteCandidates: string[] = [];
  /** Changes with each ICE restart: the ufrag. */
  id = "";
  #packets = 0;
  #countedAt = 0;
  #restart = true;
  /** The candidates of its present paths. */
  #found = "";

  constructor(
    private readonly world: Set<FakePeerConnection>,
    readonly device: FakeWebRtc,
  ) {
    world.add(this);
  }

  addTransceiver(
    what: Kind | FakeTrack,
    { direction, sendEncodings }: { direction: string; sendEncodings?: { rid?: string }[] },
  ): FakeTransceiver {
    const track = typeof what === "string" ? null : what;
    const transceiver = new FakeTransceiver(typeof what === "string" ? what : what.kind, direction, track);
    transceiver.sender.encodings = sendEncodings;
    this.transceivers.push(transceiver);
    this.#needNegotiation();
    return transceiver;
  }

  addTrack(track: FakeTrack): void {
    this.transceivers.push(new FakeTransceiver(track.kind, "sendrecv", track));
    this.#needNegotiation();
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  getReceivers() {
    return this.transceivers.map(({ receiver }) => receiver);
  }

  restartIce(): void {
    this.#restart = true;
    this.#needNegotiation();
  }

  async createOffer(): Promise<Description> {
    return this.#describe("offer");
  }

  async createAnswer(): Promise<Description> {
    return this.#describe("answer");
  }

  async setLocalDescription(given?: Description): Promise<void> {
    await tick();
    if (given?.type === "rollback") {
      if (this.signalingState !== "have-local-offer") throw new Error(`A rollback in ${this.signalingState}`);
      this.signalingState = "stable";
      for (const transceiver of this.#offered.splice(0)) transceiver.mid = null;
      // As the real one does: what was to be negotiated still is.
      this.#needNegotiation();
      return;
    }
    const type = this.signalingState === "have-remote-offer" ? "answer" : "offer";
    if (type === "offer") {
      this.#offered = this.transceivers.filter(({ mid }) => mid === null);
      for (const transceiver of this.#offered) transceiver.mid = String(this.#mids++);
    }
    this.localDescription = given ?? this.#describe(type);
    this.signalingState = this.localDescription.type === "offer" ? "have-local-offer" : "stable";
    if (this.localDescription.sdp.includes("gather")) this.#gather();
    this.#connect();
    this.#whenStable();
  }

  async setRemoteDescription(description: Description): Promise<void> {
    // Sees the description at once, as the chain of operations in the real one does.
    if (description.type !== "offer" && !/local-offer|pranswer/.test(this.signalingState)) {
      throw new Error(`An answer in ${this.signalingState}`);
    }
    if (description.type === "offer" && this.signalingState === "have-local-offer") {
      for (const transceiver of this.#offered.splice(0)) transceiver.mid = null;
    }
    this.remoteDescription = description;
    const states: Record<string, string> = { offer: "have-remote-offer", pranswer: "have-remote-pranswer" };
    this.signalingState = states[description.type] ?? "stable";
    for (const [, candidate] of description.sdp.matchAll(/^a=(candidate:.*)\r$/gm)) {
      this.remoteCandidates.push(candidate ?? "");
    }
    if (description.type === "offer" && /restart/.test(description.sdp)) this.#restart = true;
    await tick();
    for (const section of description.sdp.split(/^m=/m).slice(1)) {
      const mid = /^a=mid:(.*)\r$/m.exec(section)?.[1] ?? "";
      this.#media(section.slice(0, 5) as Kind, mid, !/^a=(inactive|recvonly)/m.test(section));
    }
    this.#connect();
    this.#whenStable();
  }

  async addIceCandidate({ candidate }: { candidate: string }): Promise<void> {
    this.remoteCandidates.push(candidate);
    this.#connect();
  }

  /** Packets are counted when somebody looks. */
  async getStats(): Promise<Map<string, object>> {
    const now = Date.now();
    if (this.#receives()) this.#packets += Math.max(1, Math.floor((now - this.#countedAt) / 20));
    this.#countedAt = now;
    return new Map([
      [
        "in",
        { id: "in", type: "inbound-rtp", kind: "audio", packetsReceived: this.#packets, bytesReceived: 0 },
      ],
    ]);
  }

  close(): void {
    this.connectionState = this.signalingState = "closed";
    this.world.delete(this);
  }

  get peer(): FakePeerConnection | undefined {
    const id = /^id:(\S+)/m.exec(this.remoteDescription?.sdp ?? "")?.[1];
    return [...this.world].find((other) => other.id === id);
  }

  #media(kind: Kind, mid: string, sends: boolean): void {
    // A track that was added takes the place that the other side offers; a transceiver that was does not.
    const free = (one: FakeTransceiver) =>
      one.mid === null && one.kind === kind && one.direction === "sendrecv";
    let transceiver = this.transceivers.find((one) => one.mid === mid) ?? this.transceivers.find(free);
    if (!transceiver) {
      transceiver = new FakeTransceiver(kind, "recvonly");
      this.transceivers.push(transceiver);
    }
    transceiver.mid = mid;
    this.#mids = Math.max(this.#mids, (Number(mid) || 0) + 1);
    // Whatever this side wants: what the other one says that it sends is announced.
    if (!sends || this.#announced.has(mid)) return;
    this.#announced.add(mid);
    this.ontrack?.({ track: transceiver.receiver.track, transceiver });
  }

  readonly #announced = new Set<string>();
  #mids = 0;
  /** Whose place is not agreed. */
  #offered: FakeTransceiver[] = [];

  #describe(type: string): Description {
    const restart = this.#restart;
    if (restart) {
      made += 1;
      this.id = `ice-${made}`;
      this.#found = "";
      this.#restart = false;
    }
    const media = this.transceivers
      .filter(({ mid }) => mid !== null)
      .map(({ kind, mid, direction }) => `m=${kind}\r\na=mid:${mid}\r\na=${direction}\r\n`)
      .join("");
    const lines = `v=0\r\nid:${this.id}\r\n${restart ? "gather restart\r\n" : ""}${media}`;
    const early = `a=candidate:${this.id} early\r\na=end-of-candidates\r\n`;
    return { type, sdp: lines + (this.device.early ? early : this.#found) };
  }

  #gather(): void {
    const { id, device } = this;
    // As in the real one: the state of the paths before is there for a moment.
    setTimeout(() => this.#gathering("gathering"), 1);
    for (const index of [1, 2, 3]) {
      setTimeout(() => {
        const text = `candidate:${id} ${index}`;
        this.#found += `a=${text}\r\n`;
        if (this.localDescription && !device.early) this.localDescription.sdp += `a=${text}\r\n`;
        this.onicecandidate?.({
          candidate: { candidate: text, toJSON: () => ({ candidate: text, sdpMid: "0" }) },
        });
      }, index * device.candidateMs);
    }
    setTimeout(() => {
      this.#gathering("complete");
      this.onicecandidate?.({ candidate: null });
    }, device.gatherMs);
  }

  #gathering(state: string): void {
    this.iceGatheringState = state;
    this.onicegatheringstatechange?.();
  }

  /** Both know each other by their present ids, and each has candidates of the other's. */
  #connect(): void {
    const { peer } = this;
    if (!peer || peer.peer !== this) return;
    const knows = (one: FakePeerConnection, other: FakePeerConnection) =>
      /stable|pranswer/.test(one.signalingState) &&
      one.remoteCandidates.some((candidate) => candidate.includes(`${other.id} `));
    if (!knows(this, peer) || !knows(peer, this)) return;
    for (const end of [this, peer]) setTimeout(() => end.#set("connected"), 2);
  }

  #set(state: string): void {
    if (this.connectionState === "closed" || this.connectionState === state) return;
    this.connectionState = state;
    this.#countedAt = Date.now();
    this.onconnectionstatechange?.();
  }

  /** The path broke: what ICE says after a while. */
  break(): void {
    this.#set("disconnected");
  }

  /** Of one whose other end is no peer connection here. */
  become(state: "connected" | "failed"): void {
    this.#set(state);
  }

  #receives(): boolean {
    const { peer } = this;
    const sends = peer?.transceivers.some(({ kind, sender }) => kind === "audio" && sender.track);
    return this.connectionState === "connected" && this.device.up && !!peer?.device.up && !!sends;
  }

  /** Looks again at what was added in between. */
  #whenStable(): void {
    const left = this.transceivers.some(({ mid, direction }) => mid === null && direction !== "stopped");
    if (left && this.signalingState === "stable") this.#needNegotiation();
  }

  #needNegotiation(): void {
    queueMicrotask(() => {
      if (this.signalingState === "stable") this.onnegotiationneeded?.();
    });
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
