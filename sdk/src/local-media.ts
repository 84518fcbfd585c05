/** What a call sends: the tracks that the SDK opened for it, and their mute, hold and pause. */
import type { MediaState } from "../../protocol";
import type { CallMedia } from "./call-media";
import type { Devices, LocalTracks } from "./devices";

type Kind = "audio" | "video";

export class LocalMedia {
  /** Undefined without WebRTC, where the call fails before it opens anything. */
  readonly stream: MediaStream | undefined;
  readonly #devices: Devices;
  /** The state changed: the other side's display is told. */
  readonly #changed: () => void;
  readonly state: MediaState;
  readonly #tracks: Partial<Record<Kind, MediaStreamTrack>> = {};
  /** Nothing is handed to a connection before this is set; a microphone may be open earlier. */
  #media: Pick<CallMedia, "setTrack"> | undefined;
  /** What a conference's server has decided over this side's head. */
  #silence = { muted: false, held: false };
  #closed = false;
  #opening: Promise<void> | undefined;
  /** The camera is part of what is opening. */
  #camera = false;
  /** The camera was asked for, and not stopped since. */
  #starting = false;
  /** The camera was on when screen sharing began. */
  #cameraBefore = false;

  constructor(stream: MediaStream | undefined, devices: Devices, changed: () => void) {
    this.state = { muted: false, held: false, video: "off" };
    this.stream = stream;
    this.#devices = devices;
    this.#changed = changed;
  }

  /** Opens microphone, and camera if the call sends video; each once. */
  open(video: boolean): Promise<void> {
    if (!this.#opening) {
      this.#camera = video;
      this.#opening = this.#devices.open(video).then((tracks) => this.#opened(tracks));
    } else if (video && !this.#camera) {
      // The microphone was opened ahead, alone.
      this.#camera = true;
      this.#opening = this.#opening.then(async () => {
        this.#opened({ video: await this.#devices.openCamera().catch(() => undefined) });
      });
    }
    return this.#opening;
  }

  #opened({ audio, video }: Partial<LocalTracks>): void {
    if (audio) this.#put("audio", audio);
    // Video may have been stopped while the camera opened.
    if (video && this.state.video === "off") video.stop();
    else if (video) this.#put("video", video);
    else if (this.#camera && this.state.video === "on") this.set({ video: "off" });
  }

  /** From here on tracks go out. */
  send(media: Pick<CallMedia, "setTrack">): void {
    this.#media = media;
    for (const kind of ["audio", "video"] as const) {
      const track = this.#tracks[kind];
      if (track) media.setTrack(kind, track);
    }
  }

  set(change: Partial<MediaState>): void {
    Object.assign(this.state, change);
    this.#apply();
    this.#changed();
  }

  /** Beside the state, which stays what the person has chosen. */
  silence(silence: Pick<MediaState, "muted" | "held">): void {
    this.#silence = silence;
    this.#apply();
  }

  async startVideo(): Promise<void> {
    this.#starting = true;
    const track = await this.#devices.openCamera();
    // It may have been stopped while it opened.
    if (!this.#starting) return track.stop();
    this.set({ video: "on" });
    this.#put("video", track);
  }

  stopVideo(): void {
    this.#starting = false;
    this.#remove("video");
    this.set({ video: "off" });
  }

  async startScreen(): Promise<void> {
    const track = await this.#devices.openScreen();
    this.#cameraBefore = this.state.video === "on" || this.state.video === "paused";
    track.addEventListener("ended", () => void this.stopScreen());
    // First: how it is sent depends on it.
    this.set({ video: "screen" });
    this.#put("video", track);
  }

  async stopScreen(): Promise<void> {
    if (this.#closed || this.state.video !== "screen") return;
    return this.#cameraBefore ? this.startVideo() : this.stopVideo();
  }

  /** Another device was chosen. */
  async reopen(kind: Kind): Promise<void> {
    if (!this.#tracks[kind] || this.#closed || (kind === "video" && this.state.video === "screen")) return;
    // Most phones open one camera at a time.
    if (kind === "video") this.#tracks.video?.stop();
    this.#put(kind, await (kind === "audio" ? this.#devices.openMicrophone() : this.#devices.openCamera()));
  }

  close(): void {
    this.#closed = true;
    this.#remove("audio");
    this.#remove("video");
  }

  #put(kind: Kind, track: MediaStreamTrack): void {
    // It was asked for before the end and came after it.
    if (this.#closed) {
      track.stop();
      return;
    }
    const old = this.#tracks[kind];
    this.#tracks[kind] = track;
    if (old) {
      this.stream?.removeTrack(old);
      old.stop();
    }
    this.stream?.addTrack(track);
    this.#apply();
    this.#media?.setTrack(kind, track);
  }

  #remove(kind: Kind): void {
    const track = this.#tracks[kind];
    if (!track) return;
    delete this.#tracks[kind];
    track.stop();
    this.stream?.removeTrack(track);
    if (!this.#closed) this.#media?.setTrack(kind, null);
  }

  #apply(): void {
    const { muted, video } = this.state;
    const held = this.state.held || this.#silence.held;
    if (this.#tracks.audio) this.#tracks.audio.enabled = !muted && !held && !this.#silence.muted;
    if (this.#tracks.video) this.#tracks.video.enabled = !held && video !== "paused";
  }
}
