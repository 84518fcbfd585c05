/** What the account has left, where it shows that to its users. */
import { CarillonError } from "@carillon/sdk";
import type { Credits } from "@carillon/sdk/credits";

export class Balance {
  credits: Credits | undefined;
  readonly #ask: () => Promise<Credits>;
  readonly #changed: () => void;
  /** The account keeps it to itself. */
  #hidden = false;
  #asked = false;

  constructor(ask: () => Promise<Credits>, changed: () => void) {
    this.#ask = ask;
    this.#changed = changed;
  }

  /** Whoever calls no phones need not know it: it is asked for when somebody is about to. */
  want(): void {
    if (!this.#asked) void this.refresh();
  }

  /** A call has cost something: it may be charged a moment after it was told. */
  changes(): void {
    void this.refresh();
    setTimeout(() => void this.refresh(), 1_000);
  }

  async refresh(): Promise<void> {
    if (this.#hidden) return;
    this.#asked = true;
    try {
      this.credits = await this.#ask();
    } catch (thrown) {
      // Without a network, what was known before is better than nothing.
      this.#hidden = thrown instanceof CarillonError && thrown.domain === "api";
      if (this.#hidden) this.credits = undefined;
    }
    this.#changed();
  }
}
