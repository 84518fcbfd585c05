/** One conversation as it is known in this page: its messages, and how much of the history. */
import type { History, HistoryOptions, StoredMessage } from "@carillon/sdk";
import { type Problem, problemOf } from "../problem";
import type { Conversation } from "./conversation";
import { type Entry, keyOf, merge, mergeNewest, type News, withNews } from "./thread";

/** What is shown at first, and how many more at a time. */
const step = 100;
/** Somebody who has read further up and comes back does not keep all of it in the page. */
const mostShown = 300;
/** What came for a conversation that nobody looks at. */
const mostAside = 500;

type LoadPage = (options: HistoryOptions) => Promise<History>;

export class Talk {
  readonly conversation: Conversation;
  /** Oldest first. */
  entries: readonly Entry[] = [];
  /** What is typed and not sent. */
  draft = "";
  /** The newest message is in view. */
  atEnd = true;
  loading = false;
  /** Why the history is not there. */
  problem: Problem | undefined;
  #shown = step;
  #loaded = false;
  /** Where the history goes on. */
  #next: string | undefined;
  /** Nothing can be missing: since the newest page came, the connection was there. */
  #fresh = false;
  /** Up to here nothing was missing when it last was fresh. */
  #knownUpTo = Number.NEGATIVE_INFINITY;
  readonly #load: LoadPage;
  readonly #changed: () => void;

  constructor(conversation: Conversation, load: LoadPage, changed: () => void) {
    this.conversation = conversation;
    this.#load = load;
    this.#changed = changed;
  }

  /** The messages that are shown. */
  get visible(): readonly Entry[] {
    return this.entries.slice(-this.#shown);
  }

  get hasEarlier(): boolean {
    return this.entries.length > this.#shown || this.#next !== undefined;
  }

  take(more: readonly Entry[]): void {
    const before = this.entries.length;
    this.entries = merge(this.entries, more);
    // What somebody reads further up stays where it is.
    if (!this.atEnd) this.#shown += this.entries.length - before;
  }

  /** By the messages' keys. */
  hear(news: ReadonlyMap<string, News>): void {
    this.entries = this.entries.map((entry) => {
      const one = news.get(keyOf(entry));
      return one ? withNews(entry, one) : entry;
    });
  }

  remove(unwanted: (entry: Entry) => boolean): void {
    this.entries = this.entries.filter((entry) => !unwanted(entry));
  }

  /** The view is at its end, or is not. */
  scrolled(atEnd: boolean): void {
    this.atEnd = atEnd;
    if (atEnd && this.#shown > mostShown) this.#shown = step;
  }

  /** Nobody looks at it any more; answers what it let go of. */
  aside(): readonly Entry[] {
    this.atEnd = true;
    this.#shown = step;
    const gone = this.entries.slice(0, -mostAside);
    if (gone.length > 0) {
      this.entries = this.entries.slice(-mostAside);
      this.#loaded = false;
      this.#outdated(Number.NEGATIVE_INFINITY);
    }
    return gone;
  }

  /** The connection is gone: what happens now is not heard here. */
  offline(): void {
    const times = this.entries.filter(({ waiting }) => !waiting).map(({ time }) => time);
    if (this.#fresh) this.#outdated(times.reduce((one, other) => Math.max(one, other), this.#knownUpTo));
  }

  #outdated(knownUpTo: number): void {
    this.#fresh = false;
    this.#knownUpTo = knownUpTo;
  }

  /** Fetches the newest page, unless nothing can be missing. Answers it. */
  async refresh(): Promise<readonly Entry[]> {
    if (this.#fresh) return [];
    let page: Entry[] = [];
    // A connection that goes meanwhile makes it outdated again.
    this.#fresh = true;
    const done = await this.#loadPage({}, ({ messages, next }) => {
      page = messages.map(entryOf);
      const complete = next === undefined;
      const { entries, gap } = mergeNewest(this.entries, page, { knownUpTo: this.#knownUpTo, complete });
      if (gap) {
        this.#next = next;
        this.#shown = step;
      } else if (!this.#loaded) this.#next = next;
      this.entries = entries;
      this.#loaded = true;
    });
    if (!done) this.#fresh = false;
    return page;
  }

  /** Shows earlier messages; answers those that came from the history. */
  async earlier(): Promise<readonly Entry[]> {
    if (this.loading) return [];
    if (this.entries.length > this.#shown || this.#next === undefined) {
      if (this.hasEarlier) this.#shown += step;
      this.#changed();
      return [];
    }
    const pages: Entry[] = [];
    const before = this.entries.length;
    while (this.#next !== undefined && this.entries.length === before) {
      const from = this.#next;
      const done = await this.#loadPage({ before: from }, ({ messages, next }) => {
        // The newest page came anew meanwhile, and does not reach back to here.
        if (this.#next !== from) return;
        pages.push(...messages.map(entryOf));
        this.entries = merge(this.entries, pages);
        this.#shown = this.entries.length;
        this.#next = next;
      });
      if (!done) break;
    }
    return pages;
  }

  async #loadPage(options: HistoryOptions, use: (page: History) => void): Promise<boolean> {
    this.loading = true;
    this.problem = undefined;
    this.#changed();
    try {
      use(await this.#load(options));
      return true;
    } catch (thrown) {
      this.problem = problemOf(thrown);
      return false;
    } finally {
      this.loading = false;
      this.#changed();
    }
  }
}

export function entryOf(message: StoredMessage): Entry {
  return { ...message, failures: {} };
}
