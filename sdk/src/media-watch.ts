/** Watches whether media arrives, how well, and restarts ICE while it does not. */
// biome-ignore-all lint/suspicious/noDuplicateEnumValues: these are numbers, not cases.
import { Alarm } from "./alarm";
import type { CallMedia } from "./call-media";
import { type CallQuality, readSample, type Sample } from "./quality";
import type { Runtime } from "./runtime";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  fast = 10,
  fastFor = 1_000,
  slow = 250,
  sample = 1_000,
  /** Muted microphones send silence, so no packets at all means that nothing comes through. */
  silence = 3_000,
  calleeWaits = 2_000,
  restartEvery = 5_000,
}

export interface WatchHooks {
  flowing(flowing: boolean): void;
  sample(quality: CallQuality): void;
  /** The call is held: silence is what is wanted. */
  held(): boolean;
  /** The peer can be told of a restart now. */
  canRestart(): boolean;
}

export class MediaWatch {
  readonly #media: CallMedia;
  readonly #runtime: Runtime;
  readonly #hooks: WatchHooks;
  #flowing = false;
  #ever = false;
  #packetAt = 0;
  #last: Sample | undefined;
  readonly #tick: Alarm;
  readonly #restart: Alarm;
  #stopped = true;
  #connectedAt = 0;

  constructor(media: CallMedia, runtime: Runtime, hooks: WatchHooks) {
    this.#media = media;
    this.#runtime = runtime;
    this.#hooks = hooks;
    this.#tick = new Alarm(runtime);
    this.#restart = new Alarm(runtime);
  }

  get last(): Sample | undefined {
    return this.#last;
  }

  /** From the answer on. */
  start(): void {
    if (!this.#stopped) return;
    this.#stopped = false;
    this.#packetAt = this.#runtime.now();
    this.#media.pc.onconnectionstatechange = () => this.#stateChanged();
    this.#stateChanged();
    this.#schedule(timers.slow);
  }

  /** A remote track: its first packet unmutes it. */
  watch(track: MediaStreamTrack): void {
    track.addEventListener?.("unmute", () => {
      // Some browsers unmute with the description already: media needs a connection.
      const connected = this.#media.pc.connectionState === "connected";
      if (track.kind === "audio" && connected && !this.#stopped) this.#came();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#media.pc.onconnectionstatechange = null;
    this.#tick.clear();
    this.#restart.clear();
  }

  /** The network or the active connection came back: new paths at once, if the old ones are gone. */
  nudge(): void {
    if (!this.#stopped && this.#ever && this.#media.pc.connectionState !== "connected") this.#tryRestart();
  }

  /** The peer restarts: this side need not. */
  peerRestarts(): void {
    if (!this.#flowing && this.#restart.isSet) this.#armRestart(timers.restartEvery);
  }

  #stateChanged(): void {
    const state = this.#media.pc.connectionState;
    if (state === "connected") {
      this.#connectedAt = this.#runtime.now();
      if (!this.#flowing) this.#soon();
    } else if (state === "disconnected" || state === "failed") {
      this.#lost();
    }
  }

  #soon(): void {
    if (this.#stopped || this.#flowing) return;
    this.#tick.clear();
    void this.#look();
  }

  #schedule(ms: number): void {
    this.#tick.set(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    const { pc } = this.#media;
    const hurries = () =>
      !this.#flowing &&
      this.#runtime.now() - this.#connectedAt <= timers.fastFor &&
      sources(pc) !== undefined;
    // Cheap and exact, where getStats() is cached by the browser; but not in every runtime.
    if (!this.#flowing && !this.#ever && pc.connectionState === "connected" && sources(pc)) this.#came();
    if (!hurries()) await this.#sample();
    if (this.#stopped) return;
    this.#schedule(hurries() ? timers.fast : this.#flowing ? timers.sample : timers.slow);
  }

  async #sample(): Promise<void> {
    const report = await this.#media.pc.getStats().catch(() => undefined);
    if (!report || this.#stopped) return;
    const before = this.#last;
    const sample = readSample(report as unknown as Iterable<[string, unknown]>, this.#runtime.now(), before);
    this.#last = sample;
    if (sample.packets > (before?.packets ?? 0) || (this.#flowing && this.#hooks.held())) this.#came();
    else if (this.#flowing && this.#runtime.now() - this.#packetAt >= timers.silence) this.#lost();
    if (this.#ever) this.#hooks.sample(sample.quality);
  }

  #came(): void {
    this.#packetAt = this.#runtime.now();
    if (this.#flowing) return;
    this.#flowing = this.#ever = true;
    this.#restart.clear();
    this.#hooks.flowing(true);
  }

  #lost(): void {
    if (this.#flowing) {
      this.#flowing = false;
      this.#hooks.flowing(false);
    }
    if (this.#restart.isSet || this.#stopped) return;
    if (this.#media.polite) this.#armRestart(timers.calleeWaits);
    else this.#tryRestart();
  }

  #tryRestart(): void {
    if (this.#hooks.canRestart()) this.#media.restart();
    this.#armRestart(timers.restartEvery);
  }

  #armRestart(ms: number): void {
    this.#restart.set(ms, () => this.#tryRestart());
  }
}

/** So many voices come in; undefined where the runtime does not say. */
function sources(pc: RTCPeerConnection): number | undefined {
  const receiver = pc.getReceivers().find(({ track }) => track.kind === "audio");
  return receiver?.getSynchronizationSources?.().length;
}
