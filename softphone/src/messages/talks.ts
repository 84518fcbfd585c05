/** All conversations of this page, and which message is in which. */
import type { History, HistoryOptions } from "@carillon/sdk";
import { type Conversation, conversationOf } from "./conversation";
import { Talk } from "./talk";
import { type Entry, joinedNews, keyOf, markOf, type News, withNews } from "./thread";

const mostLoose = 1_000;

export class Talks {
  readonly #byId = new Map<string, Talk>();
  /** Where a message is, by its key. */
  readonly #places = new Map<string, Talk>();
  /** What was heard of messages that are not here yet. */
  readonly #loose = new Map<string, News>();
  readonly #me: string;
  readonly #load: (conversation: Conversation, options: HistoryOptions) => Promise<History>;
  readonly #changed: () => void;

  constructor(
    me: string,
    load: (conversation: Conversation, options: HistoryOptions) => Promise<History>,
    changed: () => void,
  ) {
    this.#me = me;
    this.#load = load;
    this.#changed = changed;
  }

  /** The one with this id, if there is something of it here. */
  find(id: string): Talk | undefined {
    return this.#byId.get(id);
  }

  of(conversation: Conversation): Talk {
    const before = this.#byId.get(conversation.id);
    if (before) return before;
    const load = (options: HistoryOptions) => this.#load(conversation, options);
    const talk = new Talk(conversation, load, this.#changed);
    this.#byId.set(conversation.id, talk);
    return talk;
  }

  [Symbol.iterator](): IterableIterator<Talk> {
    return this.#byId.values();
  }

  has(message: Entry): boolean {
    return this.#places.has(keyOf(message));
  }

  /** Messages that wait to be sent. */
  get waiting(): Entry[] {
    return [...this].flatMap(({ entries }) => entries.filter(({ waiting }) => waiting));
  }

  /** Puts messages where they belong, with what was heard of them before they came; answers them so. */
  place(entries: readonly Entry[]): Entry[] {
    const byTalk = new Map<Talk, Entry[]>();
    const placed = entries.map((entry) => {
      const key = keyOf(entry);
      const talk = this.of(conversationOf(this.#me, entry));
      const loose = this.#loose.get(key);
      const whole = loose ? withNews(entry, loose) : entry;
      this.#loose.delete(key);
      this.#places.set(key, talk);
      const its = byTalk.get(talk) ?? [];
      its.push(whole);
      byTalk.set(talk, its);
      return whole;
    });
    for (const [talk, its] of byTalk) talk.take(its);
    return placed;
  }

  /** Tells the messages what was heard of them; answers those that go to nobody by that. */
  hear(news: ReadonlyMap<string, News>): Entry[] {
    const touched = new Set<Talk>();
    for (const [key, one] of news) {
      const talk = this.#places.get(key);
      if (talk) touched.add(talk);
      else this.#keep(key, one);
    }
    return [...touched].flatMap((talk) => {
      talk.hear(news);
      return talk.entries.filter((entry) => news.has(keyOf(entry)) && markOf(entry) === "failed");
    });
  }

  /** Nobody looks at it any more. */
  putAside(talk: Talk): void {
    for (const entry of talk.aside()) this.#places.delete(keyOf(entry));
  }

  remove(unwanted: (entry: Entry) => boolean): void {
    for (const talk of this) talk.remove(unwanted);
  }

  #keep(key: string, news: News): void {
    const before = this.#loose.get(key);
    this.#loose.set(key, before ? joinedNews(before, news) : news);
    const [oldest] = this.#loose.keys();
    if (oldest !== undefined && this.#loose.size > mostLoose) this.#loose.delete(oldest);
  }
}
