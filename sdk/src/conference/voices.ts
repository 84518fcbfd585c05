/** Who speaks, from how loud everybody is. Pure. */

/** 0 to 1, as WebRTC has it: 1 is 0 dBov. */
const threshold = 0.02;
/** A click is no voice. */
const samplesToStart = 2;
/** A breath is no end, milliseconds. */
const endsAfterMs = 600;
/** Who has spoken is looked at until somebody else does, for so long. */
const activeForMs = 4_000;
/** Of the newest sample in what counts as loudness. */
const weight = 0.3;
/** So much louder is who takes the place of another: two who talk at once do not change places all the time. */
const louder = 1.5;

interface Heard {
  /** Samples above the threshold without a break. */
  above: number;
  lastAbove: number;
  loudness: number;
  speaking: boolean;
}

const silent: Heard = { above: 0, lastAbove: Number.NEGATIVE_INFINITY, loudness: 0, speaking: false };

export class Voices {
  readonly #heard = new Map<string, Heard>();
  #active: string[] = [];

  get speaking(): ReadonlySet<string> {
    return new Set(this.#active.filter((id) => this.#of(id).speaking));
  }

  /** Who speaks now or has just spoken, the loudest of late first. */
  get active(): readonly string[] {
    return this.#active;
  }

  /** One sample of everybody who is there. Answers whether {@link speaking} or {@link active} has changed. */
  hear(levels: ReadonlyMap<string, number>, now: number): boolean {
    const before = this.#text;
    for (const id of this.#heard.keys()) if (!levels.has(id)) this.#heard.delete(id);
    for (const [id, level] of levels) this.#heard.set(id, next(this.#of(id), level, now));
    const goOn = this.#active.filter((id) => now - this.#of(id).lastAbove < activeForMs);
    const begin = [...this.#heard].filter(([id, { speaking }]) => speaking && !goOn.includes(id));
    this.#active = this.#inOrder([...goOn, ...begin.map(([id]) => id)]);
    return this.#text !== before;
  }

  /** Each goes past those before it whom it drowns. */
  #inOrder(ids: string[]): string[] {
    const order: string[] = [];
    for (const id of ids) {
      let at = order.length;
      while (at > 0 && this.#drowns(id, order[at - 1] ?? "")) at -= 1;
      order.splice(at, 0, id);
    }
    return order;
  }

  #drowns(id: string, other: string): boolean {
    const [one, two] = [this.#of(id), this.#of(other)];
    if (one.speaking !== two.speaking) return one.speaking;
    return one.loudness > louder * two.loudness;
  }

  #of(id: string): Heard {
    return this.#heard.get(id) ?? silent;
  }

  get #text(): string {
    return this.#active.map((id) => `${id} ${this.#of(id).speaking}`).join();
  }
}

function next(before: Heard, level: number, now: number): Heard {
  const above = level > threshold ? before.above + 1 : 0;
  const lastAbove = above > 0 ? now : before.lastAbove;
  const goesOn = before.speaking && now - lastAbove < endsAfterMs;
  return {
    above,
    lastAbove,
    loudness: before.loudness + weight * (level - before.loudness),
    speaking: goesOn || above >= samplesToStart,
  };
}
