/** Times of one kind, milliseconds. */
export class Times {
  readonly #all: number[] = [];

  add(milliseconds: number): void {
    this.#all.push(milliseconds);
  }

  /** The value below which a share of them lies; NaN for none. */
  at(share: number): number {
    const sorted = [...this.#all].sort((one, other) => one - other);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  }

  get p50(): number {
    return this.at(0.5);
  }

  get p99(): number {
    return this.at(0.99);
  }
}

/** What several runs did in a second. */
export class Rates {
  readonly #all: number[] = [];

  add(count: number, milliseconds: number): void {
    this.#all.push((count / milliseconds) * 1_000);
  }

  get median(): number {
    return [...this.#all].sort((one, other) => one - other)[this.#all.length >> 1] ?? Number.NaN;
  }

  /** The median, and from where to where they went. */
  toString(): string {
    const [least, most] = [Math.min(...this.#all), Math.max(...this.#all)];
    return `${this.median.toFixed(0)}/s (${least.toFixed(0)} to ${most.toFixed(0)})`;
  }
}

/** Runs something a number of times, one after the other; the first tenth does not count. */
export async function repeat(count: number, run: (index: number) => Promise<void>): Promise<void> {
  for (let index = -Math.ceil(count / 10); index < count; index++) await run(index);
}

export function milliseconds(value: number): string {
  return `${value.toFixed(2)} ms`;
}

/** A line: ours, the floor's, and the ratio of the medians. */
export function line(name: string, ours: Times, floor: Times, aim?: number): string {
  const ratio = ours.p50 / floor.p50;
  const goal = aim === undefined ? "" : `   aim ≤ ${aim}`;
  return (
    `${name.padEnd(34)} p50 ${milliseconds(ours.p50).padStart(9)}  p99 ${milliseconds(ours.p99).padStart(9)}` +
    `   floor p50 ${milliseconds(floor.p50).padStart(9)}  p99 ${milliseconds(floor.p99).padStart(9)}   ratio ${ratio.toFixed(2)}${goal}`
  );
}
