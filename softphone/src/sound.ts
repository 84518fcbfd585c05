import type { CarillonClient } from "@carillon/sdk";
import { samples, type Tone, wav } from "./tones";

/** Plays one tone at a time through the SDK's audio controller. */
export class Sound {
  readonly #audio: CarillonClient["audioController"];
  readonly #urls = new Map<Tone, string>();
  #playing: Tone | null = null;

  constructor(audio: CarillonClient["audioController"]) {
    this.#audio = audio;
  }

  /** Repeats `tone` until another one is asked for; null is silence. */
  loop(tone: Tone | null): void {
    if (tone === this.#playing) return;
    // Silence must not cut off a tone that plays once.
    if (this.#playing) this.#audio.stopPlayingSound();
    this.#playing = tone;
    if (tone) this.#start(tone, true);
  }

  once(tone: Tone): void {
    this.#start(tone, false);
  }

  /** A browser lets a page make a sound only after somebody has touched it: then what should ring, rings. */
  retry(): void {
    if (this.#playing) this.#start(this.#playing, true);
  }

  #start(tone: Tone, loop: boolean): void {
    const url =
      this.#urls.get(tone) ?? URL.createObjectURL(new Blob([wav(samples(tone))], { type: "audio/wav" }));
    this.#urls.set(tone, url);
    Promise.resolve(this.#audio.startPlayingSound(url, { loop })).catch(() => {});
  }
}
