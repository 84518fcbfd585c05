/**
 * One thing at a time to each place, in order; what comes meanwhile waits and goes together. So an
 * idle lane carries at once, and a busy one in batches.
 */
export class Lanes<Item, Outcome> {
  readonly #lanes = new Map<string, { item: Item; settle: (outcome: Outcome) => void; size: number }[]>();

  /** `carry` answers for each item, in the same order, and never rejects. */
  constructor(
    private readonly carry: (place: string, items: Item[]) => Promise<Outcome[]>,
    private readonly batch: { count: number; size: number; sizeOf: (item: Item) => number },
  ) {}

  push(place: string, item: Item): Promise<Outcome> {
    return new Promise((settle) => {
      const entry = { item, settle, size: this.batch.sizeOf(item) };
      const lane = this.#lanes.get(place);
      if (lane) {
        lane.push(entry);
      } else {
        this.#lanes.set(place, [entry]);
        void this.#run(place);
      }
    });
  }

  async #run(place: string): Promise<void> {
    // What is pushed in the same turn goes along.
    await Promise.resolve();
    for (;;) {
      const lane = this.#lanes.get(place) ?? [];
      if (lane.length === 0) break;
      let [count, size] = [0, 0];
      for (const entry of lane) {
        size += entry.size;
        if (count >= this.batch.count || (count > 0 && size > this.batch.size)) break;
        count += 1;
      }
      const entries = lane.splice(0, count);
      const outcomes = await this.carry(
        place,
        entries.map(({ item }) => item),
      );
      entries.forEach(({ settle }, at) => {
        const outcome = outcomes[at];
        if (outcome !== undefined) settle(outcome);
      });
    }
    this.#lanes.delete(place);
  }
}
