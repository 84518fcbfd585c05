/** Looks a few times a second at how loud everybody is: nothing has to be sent for it. */
import { Alarm } from "../alarm";
import type { SpeakingHooks, SpeakingPart, Voice } from "./parts";
import { Voices } from "./voices";

const everyMs = 200;

export class Speaking implements SpeakingPart {
  readonly #hooks: SpeakingHooks;
  readonly #alarm: Alarm;
  #voices = new Voices();
  /** The packet that was looked at last, of each receiver: without a new one it is silent. */
  readonly #packets = new WeakMap<RTCRtpReceiver, number>();
  /** Counts the starts: what was asked for before a stop is of no interest any more. */
  #run = 0;
  #started = false;

  constructor(hooks: SpeakingHooks) {
    this.#hooks = hooks;
    this.#alarm = new Alarm(hooks.runtime);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#run += 1;
    this.#later();
  }

  stop(): void {
    if (!this.#started) return;
    this.#started = false;
    this.#alarm.clear();
    if (this.#voices.hear(new Map(), this.#hooks.runtime.now())) this.#tell();
  }

  #later(): void {
    this.#alarm.set(everyMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    const run = this.#run;
    const voices = [...this.#hooks.voices()];
    const levels = await Promise.all(
      voices.map(async ([id, voice]) => [id, await this.#level(voice)] as const),
    );
    if (!this.#started || run !== this.#run) return;
    if (this.#voices.hear(new Map(levels), this.#hooks.runtime.now())) this.#tell();
    this.#later();
  }

  #tell(): void {
    this.#hooks.changed(this.#voices.speaking, this.#voices.active);
  }

  /** Cheap where packets say how loud they are; others have it in their statistics. */
  async #level({ track, receiver }: Voice): Promise<number> {
    if (!track.enabled) return 0;
    const sources = receiver.getSynchronizationSources?.() ?? [];
    const [source] = [...sources].sort((a, b) => b.timestamp - a.timestamp);
    if (source?.audioLevel === undefined || source.audioLevel === null) return statedLevel(receiver);
    // A source is remembered for seconds after its last packet.
    const fresh = this.#packets.get(receiver) !== source.timestamp;
    this.#packets.set(receiver, source.timestamp);
    return fresh ? source.audioLevel : 0;
  }
}

async function statedLevel(receiver: RTCRtpReceiver): Promise<number> {
  const report = await receiver.getStats?.().catch(() => undefined);
  for (const [, stat] of (report ?? []) as Iterable<[string, { type: string; audioLevel?: number }]>) {
    if (stat.type === "inbound-rtp") return stat.audioLevel ?? 0;
  }
  return 0;
}
