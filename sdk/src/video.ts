import type { Call } from "./call";
import type { CameraPosition, Devices } from "./devices";
import { must } from "./errors";

export type VideoScaling = "aspectFit" | "aspectFill" | "aspectBalanced";
type Side = "local" | "remote";

/** How much of the picture must stay visible for `aspectBalanced` to fill. The same as on Android. */
const balancedVisible = 0.5625;

/** What is seen, and through which camera. */
export class VideoController {
  readonly #devices: Devices;
  readonly #calls: () => Call[];
  readonly #views: Record<Side, Map<Call, HTMLVideoElement>> = { local: new Map(), remote: new Map() };
  #scaling: VideoScaling = "aspectFit";

  /** @internal */
  constructor(devices: Devices, calls: () => Call[]) {
    this.#devices = devices;
    this.#calls = calls;
  }

  /** This side's picture, silent and whole; the same element each time. Take it from the page when the call ends. */
  localView(call: Call): HTMLVideoElement {
    return this.#view("local", call);
  }

  /**
   * The other side's picture; the sound comes from the audio controller. In a conference it stays empty: show each
   * participant's `stream` in a muted `<video>`.
   */
  remoteView(call: Call): HTMLVideoElement {
    return this.#view("remote", call);
  }

  /** How remote pictures fit into their views; local ones are always whole. */
  setScaling(scaling: VideoScaling): void {
    this.#scaling = scaling;
    for (const view of this.#views.remote.values()) this.#scale(view);
  }

  async devices(): Promise<MediaDeviceInfo[]> {
    return this.#devices.list("videoinput");
  }

  /** The camera, also of the calls that run. */
  setCaptureDevice(deviceId: string): Promise<void> {
    return this.#choose(deviceId || undefined);
  }

  setCaptureDevicePosition(position: CameraPosition): Promise<void> {
    return this.#choose(undefined, position);
  }

  /** The other side of the phone. */
  toggleCaptureDevicePosition(): Promise<void> {
    return this.setCaptureDevicePosition(this.#devices.position === "back" ? "front" : "back");
  }

  /** The picture that is shown now, as PNG. Rejects with `invalidUse` when there is none, as for `remote` in a conference. */
  async grabFrame(call: Call, side: Side): Promise<Blob> {
    const view = this.#view(side, call);
    const { grabFrame } = await import("./grab-frame");
    return grabFrame(view);
  }

  /** @internal */
  detach(call: Call): void {
    for (const views of Object.values(this.#views)) {
      const view = views.get(call);
      if (view) view.srcObject = null;
      views.delete(call);
    }
  }

  #view(side: Side, call: Call): HTMLVideoElement {
    must(globalThis.document, "no page");
    const known = this.#views[side].get(call);
    if (known) return known;
    const view = document.createElement("video");
    view.autoplay = view.playsInline = view.muted = true;
    view.srcObject = (side === "local" ? call.outgoingStream : call.incomingStream) ?? null;
    view.style.objectFit = "contain";
    if (side === "remote") {
      view.onresize = () => this.#scale(view);
      this.#scale(view);
    }
    if (call.state !== "ended") this.#views[side].set(call, view);
    return view;
  }

  #scale(view: HTMLVideoElement): void {
    const ratio = (view.videoWidth * view.clientHeight) / (view.videoHeight * view.clientWidth);
    const visible = Math.min(ratio, 1 / ratio);
    const fill =
      this.#scaling === "aspectFill" || (this.#scaling === "aspectBalanced" && visible >= balancedVisible);
    view.style.objectFit = fill ? "cover" : "contain";
  }

  async #choose(camera?: string, position?: CameraPosition): Promise<void> {
    Object.assign(this.#devices, { camera, position });
    await Promise.all(this.#calls().map((call) => call.local.reopen("video")));
  }
}
