/** The way through the SFU: a session, and a new one whenever it is of no use any more. */
// biome-ignore-all lint/suspicious/noDuplicateEnumValues: these are numbers, not cases.
import type { ErrorBody, RoomEvent, RoomOperation } from "../../../protocol";
import { Alarm } from "../alarm";
import type { CallContext } from "../call-context";
import { CarillonError } from "../errors";
import { type CallQuality, readSample, type Sample } from "../quality";
import type { WebRtc } from "../runtime";
import type { Incoming } from "./seat";
import { type Outgoing, SfuSession } from "./sfu-session";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  sample = 1_000,
  /** A path that is disconnected may come back by itself for so long. */
  patience = 3_000,
  /** Before a new session; doubled each time, up to the most. */
  again = 1_000,
  againMost = 16_000,
  /** A track is used by then, whether anything is seen to come or not. */
  flows = 10_000,
  /** At its start a voice may stutter: who is heard through the mesh still is heard so until it is steady. */
  steady = 500,
}

export interface SfuHooks {
  /** Settles with the error of what was refused. */
  tell(operation: Extract<RoomOperation, { type: "publish" | "sfuAnswer" }>): Promise<ErrorBody | undefined>;
  /** The video that is sent is a screen's. */
  screen(): boolean;
  /** This one is heard in another way as yet. */
  heard(id: string): boolean;
  /** It comes indeed. */
  incoming(id: string, incoming: Incoming): void;
  gone(id: string, track: MediaStreamTrack): void;
  /** A new session: the room knows nothing of what this side had asked for. */
  fresh(): void;
  flows(): void;
  sample(quality: CallQuality): void;
  trouble(error: unknown): void;
}

export class Sfu {
  readonly #context: CallContext;
  readonly #webrtc: WebRtc;
  readonly #stream: MediaStream;
  readonly #hooks: SfuHooks;
  readonly #outgoing: Outgoing = { tracks: {}, phones: new Map() };
  #session: SfuSession | undefined;
  #sessions = 0;
  #pause: number = timers.again;
  readonly #again: Alarm;
  readonly #sampling: Alarm;
  #sample: Sample | undefined;
  /** Agreed, and not seen to come. */
  readonly #awaited = new Map<MediaStreamTrack, { alarm: Alarm; look(): void }>();
  #closed = false;

  constructor(context: CallContext, webrtc: WebRtc, stream: MediaStream, hooks: SfuHooks) {
    this.#context = context;
    this.#webrtc = webrtc;
    this.#stream = stream;
    this.#hooks = hooks;
    this.#again = new Alarm(context.runtime);
    this.#sampling = new Alarm(context.runtime);
  }

  get quality(): CallQuality | undefined {
    return this.#sample?.quality;
  }

  setTrack(kind: "audio" | "video", track: MediaStreamTrack | null): void {
    this.#outgoing.tracks[kind] = track;
    this.#session?.publish();
  }

  setPhones(phones: ReadonlyMap<string, MediaStreamTrack>): void {
    this.#outgoing.phones = phones;
    this.#session?.publish();
  }

  open(): void {
    this.#connect().catch((error: unknown) => this.#failed(error));
  }

  receive(event: RoomEvent): void {
    // What was said of a session before this one may still be on its way.
    if (!this.#session || !("session" in event) || event.session !== this.#session.number) return;
    if (event.type === "sfuFailed") this.#failed(new CarillonError(event.error));
    else this.#session.receive(event);
  }

  /** The network came back: there is no point in waiting. */
  nudge(): void {
    const state = this.#session?.pc.connectionState;
    if (this.#again.isSet || state === "disconnected" || state === "failed") this.#renew();
  }

  close(): void {
    this.#closed = true;
    this.#end();
  }

  async #connect(): Promise<void> {
    const { ice, options } = this.#context;
    const iceServers = ice.fresh ?? (await ice.get());
    if (this.#closed || this.#session) return;
    const session: SfuSession = new SfuSession(
      this.#webrtc,
      { iceServers, ...(options.forceRelay && { iceTransportPolicy: "relay" }) },
      this.#stream,
      this.#outgoing,
      {
        now: () => this.#context.runtime.now(),
        tell: (operation) => {
          if (operation.type === "publish" && operation.fresh) {
            this.#sessions += 1;
            session.number = this.#sessions;
          }
          void this.#hooks.tell(operation).then((error) => {
            if (error && session === this.#session) this.#failed(new CarillonError(error));
          });
        },
        screen: this.#hooks.screen,
        incoming: (id, incoming) => this.#await(id, incoming),
        gone: (id, track) => {
          this.#forget(track);
          this.#hooks.gone(id, track);
        },
        state: () => this.#stateChanged(),
        failed: (error) => this.#failed(error),
      },
    );
    this.#session = session;
    session.publish();
    this.#hooks.fresh();
    this.#sampling.set(timers.sample, () => void this.#look());
  }

  #stateChanged(): void {
    const state = this.#session?.pc.connectionState;
    if (state === "connected") {
      this.#pause = timers.again;
      this.#again.clear();
      for (const { look } of [...this.#awaited.values()]) look();
    } else if (state === "failed") this.#failed(new Error("The connection with the SFU has failed."));
    else if (state === "disconnected") this.#again.set(timers.patience, () => this.#renew());
  }

  /** Some browsers unmute with the description already: media needs a connection. */
  #await(id: string, incoming: Incoming): void {
    const { track } = incoming;
    const take = () => {
      if (!this.#awaited.has(track)) return;
      this.#forget(track);
      this.#hooks.incoming(id, incoming);
      if (track.kind === "audio") this.#hooks.flows();
    };
    const alarm = new Alarm(this.#context.runtime);
    const flows = () => this.#session?.pc.connectionState === "connected" && !track.muted;
    const look = () => {
      if (!this.#awaited.has(track) || !flows()) return;
      if (track.kind === "video" || !this.#hooks.heard(id)) take();
      else alarm.set(timers.steady, () => (flows() ? take() : alarm.set(timers.flows, take)));
    };
    this.#forget(track);
    this.#awaited.set(track, { alarm, look });
    alarm.set(timers.flows, take);
    track.addEventListener("unmute", look);
    look();
  }

  #forget(track: MediaStreamTrack): void {
    this.#awaited.get(track)?.alarm.clear();
    this.#awaited.delete(track);
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    this.#hooks.trouble(error);
    this.#end();
    this.#again.set(this.#pause, () => this.open());
    this.#pause = Math.min(this.#pause * 2, timers.againMost);
  }

  #renew(): void {
    this.#end();
    this.open();
  }

  #end(): void {
    this.#again.clear();
    this.#sampling.clear();
    this.#session?.close();
    this.#session = this.#sample = undefined;
  }

  async #look(): Promise<void> {
    const { pc } = this.#session ?? {};
    const report = await pc?.getStats().catch(() => undefined);
    if (!pc || pc !== this.#session?.pc) return;
    this.#sampling.set(timers.sample, () => void this.#look());
    if (!report) return;
    const entries = report as unknown as Iterable<[string, unknown]>;
    this.#sample = readSample(entries, this.#context.runtime.now(), this.#sample);
    if (this.#sample.packets > 0) this.#hooks.sample(this.#sample.quality);
  }
}
