/** Mixes voices for the phones of a conference: each hears all but its own. */

interface Input {
  track: MediaStreamTrack;
  node: AudioNode;
}

interface Output {
  node: MediaStreamAudioDestinationNode;
  /** What is connected to it. */
  hears: Set<AudioNode>;
}

/** A page may make sounds once somebody has touched it; a context that began before is woken then. */
const touches = ["pointerdown", "keydown"] as const;

export class Mixer {
  readonly #context: AudioContext;
  readonly #inputs = new Map<string, Input>();
  readonly #outputs = new Map<string, Output>();
  #deaf: ReadonlySet<string> = new Set();
  readonly #failed: (error: unknown) => void;
  readonly #wake = () => {
    if (this.#context.state !== "running") this.#context.resume().catch(() => {});
  };

  constructor(context: AudioContext, failed: (error: unknown) => void) {
    this.#context = context;
    this.#failed = failed;
    context.onstatechange = this.#wake;
    for (const touch of touches) globalThis.addEventListener?.(touch, this.#wake);
    this.#wake();
  }

  /** What this phone hears: there from the first moment, silent until somebody speaks. */
  open(phone: string): MediaStreamTrack | undefined {
    const node = this.#context.createMediaStreamDestination();
    // A phone has one ear: nothing of a stereo microphone is to be lost.
    node.channelCountMode = "explicit";
    node.channelCount = 1;
    this.#outputs.set(phone, { node, hears: new Set() });
    this.#connect();
    return node.stream.getAudioTracks()[0];
  }

  close(phone: string): void {
    const output = this.#outputs.get(phone);
    if (!output) return;
    this.#outputs.delete(phone);
    for (const input of output.hears) input.disconnect(output.node);
    for (const track of output.node.stream.getTracks()) track.stop();
  }

  /** All that is to be heard, and the phones that hear nothing of it. */
  set(sources: ReadonlyMap<string, MediaStreamTrack>, deaf: ReadonlySet<string>): void {
    for (const [id, { track }] of this.#inputs) if (sources.get(id) !== track) this.#inputs.delete(id);
    for (const [id, track] of sources) {
      if (this.#inputs.has(id)) continue;
      try {
        const node = this.#context.createMediaStreamSource(new MediaStream([track]));
        this.#inputs.set(id, { track, node });
      } catch (error) {
        this.#failed(error);
      }
    }
    this.#deaf = deaf;
    this.#connect();
    this.#wake();
  }

  end(): void {
    for (const phone of [...this.#outputs.keys()]) this.close(phone);
    for (const touch of touches) globalThis.removeEventListener?.(touch, this.#wake);
    this.#context.onstatechange = null;
    this.#context.close().catch(() => {});
  }

  #connect(): void {
    for (const [phone, { node, hears }] of this.#outputs) {
      const heard = this.#deaf.has(phone) ? [] : [...this.#inputs].filter(([id]) => id !== phone);
      const wanted = new Set(heard.map(([, input]) => input.node));
      for (const input of hears) {
        if (wanted.has(input)) continue;
        input.disconnect(node);
        hears.delete(input);
      }
      for (const input of wanted) {
        if (hears.has(input)) continue;
        input.connect(node);
        hears.add(input);
      }
    }
  }
}
