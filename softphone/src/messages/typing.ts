/** Who is typing: each notice counts for some seconds. */
import type { Conversation } from "./conversation";

const noticeMs = 5_000;

export class Typing {
  /** The number of each user's last notice. */
  readonly #notices = new Map<string, number>();
  #count = 0;
  readonly #later: (ms: number, run: () => void) => void;
  readonly #changed: () => void;

  constructor(later: (ms: number, run: () => void) => void, changed: () => void) {
    this.#later = later;
    this.#changed = changed;
  }

  /** Those of a conversation. A notice does not say for which conversation it is. */
  among({ others }: Conversation): readonly string[] {
    return others.filter((user) => this.#notices.has(user));
  }

  began(user: string): void {
    this.#count += 1;
    const notice = this.#count;
    this.#notices.set(user, notice);
    this.#later(noticeMs, () => {
      if (this.#notices.get(user) !== notice) return;
      this.#notices.delete(user);
      this.#changed();
    });
    this.#changed();
  }

  /** What was typed has come. */
  ended(user: string): void {
    this.#notices.delete(user);
  }
}
