/** Microphones, cameras and screens: which one is chosen, and how it is opened. */
import { type CarillonError, makeError, must } from "./errors";
import type { WebRtc } from "./runtime";

export type CameraPosition = "front" | "back";
export type DeviceKind = "audioinput" | "audiooutput" | "videoinput";

/** A microphone and, when it was asked for and could be had, a camera. */
export interface LocalTracks {
  audio: MediaStreamTrack;
  video?: MediaStreamTrack;
}

export class Devices {
  readonly #webrtc: WebRtc | undefined;
  microphone: string | undefined;
  camera: string | undefined;
  position: CameraPosition | undefined;

  constructor(webrtc: WebRtc | undefined) {
    this.#webrtc = webrtc;
  }

  /** One prompt for both. Without a camera the call goes on with the microphone alone. */
  async open(video: boolean): Promise<LocalTracks> {
    if (!video) return { audio: await this.openMicrophone() };
    const tracks = await this.#get({ audio: this.#audio(), video: this.#video() }).catch(async () => [
      await this.openMicrophone(),
    ]);
    return { audio: first(tracks), video: tracks[1] };
  }

  async openMicrophone(): Promise<MediaStreamTrack> {
    return first(await this.#get({ audio: this.#audio() }));
  }

  async openCamera(): Promise<MediaStreamTrack> {
    return first(await this.#get({ video: this.#video() }));
  }

  async openScreen(): Promise<MediaStreamTrack> {
    return first(await this.#get({ video: true }, "getDisplayMedia"));
  }

  /** The devices of a kind. Their labels are empty until the person has allowed one. */
  async list(kind: DeviceKind): Promise<MediaDeviceInfo[]> {
    const all = (await this.#webrtc?.mediaDevices.enumerateDevices?.()) ?? [];
    return all.filter((device) => device.kind === kind);
  }

  /** Calls `listener` when one is plugged in or out; returns what ends that. */
  onChange(listener: () => void): () => void {
    const devices = this.#webrtc?.mediaDevices;
    devices?.addEventListener?.("devicechange", listener);
    return () => devices?.removeEventListener?.("devicechange", listener);
  }

  #audio(): MediaTrackConstraints {
    return {
      echoCancellation: true,
      noiseSuppression: true,
      autoGainControl: true,
      ...(this.microphone && { deviceId: { exact: this.microphone } }),
    };
  }

  #video(): MediaTrackConstraints {
    return {
      width: { ideal: 1280 },
      height: { ideal: 720 },
      ...(this.camera && { deviceId: { exact: this.camera } }),
      ...(this.position && { facingMode: this.position === "front" ? "user" : "environment" }),
    };
  }

  async #get(
    constraints: MediaStreamConstraints,
    way: "getUserMedia" | "getDisplayMedia" = "getUserMedia",
  ): Promise<MediaStreamTrack[]> {
    if (!this.#webrtc) throw makeError("webrtcUnavailable");
    const { mediaDevices } = this.#webrtc;
    must(mediaDevices[way], "this browser cannot share screens");
    try {
      const stream = await mediaDevices[way](constraints);
      return [...stream.getAudioTracks(), ...stream.getVideoTracks()];
    } catch (error) {
      throw mediaError(error);
    }
  }
}

function first([track]: MediaStreamTrack[]): MediaStreamTrack {
  if (!track) throw makeError("deviceMissing");
  return track;
}

function mediaError(error: unknown): CarillonError {
  const { name } = error as Partial<DOMException>;
  const refused = /^(NotAllowed|Security)/.test(name ?? "");
  return makeError(refused ? "permissionDenied" : "deviceMissing", name, error);
}
