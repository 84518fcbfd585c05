import type { Call } from "./call";
import type { Devices } from "./devices";
import { makeError, must } from "./errors";
import type { Log } from "./log";

type Output = HTMLAudioElement & { setSinkId?: (id: string) => Promise<void> };

/** Somebody who can be heard: a call, or one of a conference's participants. */
export interface Audible {
  readonly held: boolean;
  readonly incomingStream: MediaStream | undefined;
}

/** What is heard, where, and through which microphone. */
export class AudioController {
  readonly #devices: Devices;
  readonly #calls: () => Call[];
  readonly #log: Log;
  readonly #elements = new Map<Audible, Output>();
  #sound: Output | undefined;
  #output = "";
  #unroute: (() => void) | undefined;

  /** @internal */
  constructor(devices: Devices, calls: () => Call[], log: Log) {
    this.#devices = devices;
    this.#calls = calls;
    this.#log = log;
  }

  /** Mutes the microphone in every call. */
  mute(): void {
    for (const call of this.#calls()) call.mute();
  }

  unmute(): void {
    for (const call of this.#calls()) call.unmute();
  }

  /** Microphones and speakers. Labels are empty until the person has allowed the microphone. */
  async devices(): Promise<{ inputs: MediaDeviceInfo[]; outputs: MediaDeviceInfo[] }> {
    return {
      inputs: await this.#devices.list("audioinput"),
      outputs: await this.#devices.list("audiooutput"),
    };
  }

  /** The speaker for calls and sounds; "" is the system's own choice. Rejects where browsers cannot choose. */
  async setOutputDevice(deviceId: string): Promise<void> {
    this.#output = deviceId;
    const elements = [...this.#elements.values(), this.#sound];
    await Promise.all(elements.map((element) => element && this.#route(element)));
  }

  /** The microphone, also of the calls that run; "" is the system's own choice. */
  async setInputDevice(deviceId: string): Promise<void> {
    this.#devices.microphone = deviceId || undefined;
    await Promise.all(this.#calls().map((call) => call.local.reopen("audio")));
  }

  /** Plays a ringtone or a progress tone until it ends or {@link stopPlayingSound}; one at a time. */
  async startPlayingSound(url: string, options: { loop?: boolean } = {}): Promise<void> {
    this.stopPlayingSound();
    const element = newAudio();
    if (!element) return;
    this.#sound = element;
    element.src = url;
    element.loop = options.loop ?? false;
    if (this.#output) await this.#route(element);
    await element.play().catch((error: unknown) => {
      // Stopped before it began: what was wanted.
      if (this.#sound === element) throw makeError("invalidUse", "this browser cannot play it now", error);
    });
  }

  stopPlayingSound(): void {
    this.#sound?.pause();
    this.#sound = undefined;
  }

  /** Goes back to the system's choice when a chosen microphone or speaker is unplugged. */
  enableAutomaticAudioRouting(): void {
    this.#unroute ??= this.#devices.onChange(() => void this.#reroute());
  }

  disableAutomaticAudioRouting(): void {
    this.#unroute?.();
    this.#unroute = undefined;
  }

  /**
   * Plays a call through an element of the app's instead of the SDK's own. Not a conference: the SDK plays each
   * of its participants.
   *
   * @example
   * client.audioController.attach(call, document.querySelector("audio"));
   */
  attach(call: Call, element: HTMLAudioElement): void {
    this.detach(call);
    this.play(call, element);
  }

  /** @internal */
  play(call: Audible, element = this.#elements.get(call) ?? newAudio()): void {
    if (!element) return;
    this.#elements.set(call, element);
    element.muted = call.held;
    // Once more after the answer only where the browser refused before: now the person has clicked.
    if (element.srcObject === call.incomingStream && !element.paused) return;
    element.autoplay = true;
    element.srcObject = call.incomingStream ?? null;
    if (this.#output) this.#route(element).catch(() => {});
    element.play()?.catch((error: unknown) => {
      if (this.#elements.get(call) === element) this.#log("warning", "media", `Not played: ${error}`);
    });
  }

  /** @internal Somebody is held, or is not any more. */
  quieten(): void {
    for (const [call, element] of this.#elements) element.muted = call.held;
  }

  /** @internal */
  detach(call: Audible): void {
    const element = this.#elements.get(call);
    if (element) element.srcObject = null;
    this.#elements.delete(call);
  }

  /** @internal */
  close(): void {
    this.stopPlayingSound();
    this.disableAutomaticAudioRouting();
    for (const call of [...this.#elements.keys()]) this.detach(call);
  }

  async #route(element: Output): Promise<void> {
    must(element.setSinkId, "this browser cannot choose speakers");
    await element.setSinkId(this.#output).catch((error: unknown) => {
      throw makeError("deviceMissing", undefined, error);
    });
  }

  async #reroute(): Promise<void> {
    const { inputs, outputs } = await this.devices();
    const gone = (list: MediaDeviceInfo[], id: string | undefined) =>
      id && !list.some(({ deviceId }) => deviceId === id);
    try {
      if (gone(outputs, this.#output)) await this.setOutputDevice("");
      if (gone(inputs, this.#devices.microphone)) await this.setInputDevice("");
    } catch (error) {
      this.#log("warning", "media", `Not routed: ${error}`);
    }
  }
}

function newAudio(): Output | undefined {
  return globalThis.Audio && new Audio();
}
