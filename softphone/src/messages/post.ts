/** The messages of the phone: the conversations, the one that is open, and what is to be read. */
import {
  type HistoryOptions,
  type Message,
  type MessageClient,
  type MessageFailure,
  type MessageState,
  WritableMessage,
} from "@carillon/sdk";
import { problemOf } from "../problem";
import { type Conversation, conversationOf, conversationWith, historyOf } from "./conversation";
import {
  type Happening,
  type Inbox,
  unreadOf,
  withFailed,
  withHappenings,
  withoutFailed,
  withRead,
} from "./inbox";
import { InboxStore } from "./store";
import { Talk } from "./talk";
import { type Entry, keyOf, markOf, type News, noNews, withNews } from "./thread";

/** What the post tells the phone. */
export interface PostEvents {
  changed(): void;
  /** Something came over the connection: it is there. */
  heard(): void;
  log(text: string, level?: "debug" | "warn"): void;
  failed(thrown: unknown): void;
}

/** What it needs of the page. */
export interface PostSurroundings {
  storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** Where in it. */
  name: string;
  /** Somebody can see the page. */
  visible(): boolean;
  later(ms: number, run: () => void): void;
}

const typingMs = 5_000;
/** After this long without a message, a device that comes back has what waited for it. */
const caughtUpMs = 2_000;
/** So many conversations are looked through for what was read on other devices. */
const mostChecked = 10;
const mostLoose = 1_000;
/** Messages that are fetched at a time. */
const page = 50;

export class Post {
  /** The conversation that is open. */
  open: Talk | undefined;
  /** The one that was open before. */
  left: string | undefined;
  /** For those who do not see: what has come. */
  announcement = "";
  readonly me: string;
  readonly #client: MessageClient;
  readonly #events: PostEvents;
  readonly #around: PostSurroundings;
  readonly #store: InboxStore;
  readonly #talks = new Map<string, Talk>();
  /** Where a message is, by its key. */
  readonly #places = new Map<string, Talk>();
  /** What was heard of messages that are not here yet. */
  readonly #loose = new Map<string, News>();
  /** The keys of messages that this page has marked as read. */
  readonly #read = new Set<string>();
  /** The last notice of each user, numbered, as long as it counts. */
  readonly #typing = new Map<string, number>();
  #typed = 0;
  #came: Entry[] = [];
  #news = new Map<string, News>();
  #flushing = false;
  /** Grows when the wait for what had waited begins anew. */
  #catchingUp = 0;

  constructor(me: string, client: MessageClient, events: PostEvents, around: PostSurroundings) {
    this.me = me;
    this.#client = client;
    this.#events = events;
    this.#around = around;
    this.#store = new InboxStore(me, around.storage, around.name);
    this.#listen();
    this.#takeFailed();
  }

  get inbox(): Inbox {
    return this.#store.inbox;
  }

  /** Messages that wait to be sent. */
  get waiting(): number {
    return this.#waiting().length;
  }

  talk(id: string): Talk | undefined {
    return this.#talks.get(id);
  }

  /** Those of a conversation who are typing. */
  typers({ others }: Conversation): readonly string[] {
    return others.filter((user) => user !== this.me && this.#typing.has(user));
  }

  // ---- what the person does -------------------------------------------------------------------

  /** Opens the conversation with these people; false when no message could go to them. */
  openWith(people: readonly string[]): boolean {
    try {
      // What the SDK would refuse when a message is sent is better said now.
      new WritableMessage(people, "?");
    } catch (thrown) {
      this.#events.failed(thrown);
      return false;
    }
    this.show(conversationWith(this.me, people));
    return true;
  }

  show(conversation: Conversation): void {
    if (this.open?.conversation.id !== conversation.id) this.leave();
    this.open = this.#talkOf(conversation);
    this.look();
    void this.#refresh(this.open);
    this.#events.changed();
  }

  leave(): void {
    const left = this.open;
    this.open = undefined;
    this.left = left?.conversation.id;
    for (const entry of left?.aside() ?? []) this.#places.delete(keyOf(entry));
    this.#events.changed();
  }

  /** Sends to the conversation; false when that is not possible, and the person was told why. */
  async write({ conversation }: Talk, text: string): Promise<boolean> {
    try {
      await this.#send(new WritableMessage(conversation.others, text));
      return true;
    } catch (thrown) {
      this.#events.failed(thrown);
      return false;
    }
  }

  typed({ conversation }: Talk): void {
    this.#client.sendTyping(conversation.others);
  }

  /** Sends a message anew that failed, as another message; to these alone when some have it. */
  async again(entry: Entry, users: readonly string[]): Promise<void> {
    try {
      const whole = markOf(entry) === "failed";
      const copy = await this.#send(WritableMessage.from(entry, whole ? entry.recipientIds : users));
      if (whole) this.remove(entry);
      else this.show(conversationOf(this.me, copy));
    } catch (thrown) {
      this.#events.failed(thrown);
    }
  }

  /** Forgets a message that failed. */
  remove({ messageId }: Entry): void {
    this.#store.change((inbox) => withoutFailed(inbox, messageId));
    for (const talk of this.#talks.values()) talk.remove((entry) => entry.messageId === messageId);
    this.#events.changed();
  }

  async earlier(talk: Talk): Promise<void> {
    this.#reconcile(talk, await talk.earlier());
  }

  /** Tries again what did not load. */
  retry(talk: Talk): void {
    void this.#refresh(talk);
  }

  scrolled(talk: Talk, atEnd: boolean): void {
    if (talk.atEnd === atEnd) return;
    talk.scrolled(atEnd);
    this.look();
    this.#events.changed();
  }

  /** What the person has before the eyes is read now. */
  look(): void {
    const talk = this.open;
    if (!talk?.atEnd || !this.#around.visible()) return;
    const { conversation } = talk;
    const read = unreadOf(this.inbox, conversation.id);
    if (read.length === 0) return;
    for (const key of read) this.#read.add(key);
    this.#client.markRead(read.map(nameOf));
    this.#store.change((inbox) => withHappenings(inbox, [{ conversation, read }]));
    this.#events.changed();
  }

  // ---- what the page tells --------------------------------------------------------------------

  connected(online: boolean): void {
    if (!online) {
      for (const talk of this.#talks.values()) talk.offline();
      return;
    }
    void this.sync();
    if (this.open) void this.#refresh(this.open);
    this.#catchUp();
  }

  /** Looks at what waits to be sent: other tabs add to it, and send what this one was given. */
  async sync(): Promise<void> {
    const before = new Set(this.#waiting().map(({ messageId }) => messageId));
    try {
      const waiting = await this.#client.outgoing();
      for (const { messageId } of waiting) before.delete(messageId);
      const gone = this.#waiting().filter(({ messageId }) => before.has(messageId));
      for (const message of waiting) this.#came.push({ ...message, ...noNews, waiting: true });
      // Nobody has told this tab, but it is not in the queue any more.
      for (const { waiting: _, ...entry } of gone) this.#came.push(entry);
      this.#flush();
    } catch (thrown) {
      this.#events.log(`outgoing: ${problemOf(thrown).message}`, "warn");
    }
  }

  /** Another tab has changed what is kept. */
  stored(name: string | null): void {
    if (name !== this.#around.name) return;
    this.#store.read();
    this.#takeFailed();
    this.look();
    this.#events.changed();
  }

  /** Signed out: nothing of it stays in the browser. */
  forget(): void {
    this.#store.clear();
  }

  // ---- what the client tells ------------------------------------------------------------------

  #listen(): void {
    const client = this.#client;
    const { log } = this.#events;
    client.on("incomingMessage", (message) => {
      log(`incomingMessage ${short(message)} from ${message.senderId ?? "the application"}`);
      if (message.senderId !== null) this.#typing.delete(message.senderId);
      this.#take({ ...message, ...noNews });
    });
    client.on("messageSent", ({ message }) => {
      log(`messageSent ${short(message)} to ${message.recipientIds.join(", ")}`);
      this.#take({ ...message, ...noNews });
    });
    client.on("messageDelivered", ({ messageId, recipientId, time }) => {
      log(`messageDelivered ${short({ messageId })} to ${recipientId}`);
      this.#hear({ messageId, senderId: this.me }, recipientId, { delivered: time });
    });
    client.on("messageRead", ({ messageId, senderId, recipientId, time }) => {
      log(`messageRead ${short({ messageId })} by ${recipientId}`);
      this.#hear({ messageId, senderId }, recipientId, { read: time });
    });
    client.on("messageFailed", (failure) => {
      const { recipientId, error } = failure;
      log(`messageFailed ${short(failure)} to ${recipientId}: ${error.code} ${error.message}`, "warn");
      this.#fail(failure);
    });
    client.on("typing", ({ userId }) => {
      this.#typed += 1;
      const notice = this.#typed;
      this.#typing.set(userId, notice);
      this.#around.later(typingMs, () => {
        if (this.#typing.get(userId) !== notice) return;
        this.#typing.delete(userId);
        this.#events.changed();
      });
      this.#events.changed();
    });
  }

  #take(entry: Entry): void {
    this.#came.push(entry);
    this.#flushSoon();
  }

  #hear(message: Pick<Message, "messageId" | "senderId">, recipientId: string, state: MessageState): void {
    this.#note(keyOf(message), { states: { [recipientId]: state }, failures: {} });
  }

  #fail({ messageId, recipientId, error, message }: MessageFailure): void {
    if (message) this.#came.push({ ...message, ...noNews });
    const failures = { [recipientId]: { message: error.message, hint: error.hint, code: error.code } };
    this.#note(keyOf({ messageId, senderId: this.me }), { states: {}, failures });
  }

  #note(key: string, news: News): void {
    this.#news.set(key, withNewsOf(this.#news.get(key), news));
    this.#flushSoon();
  }

  /** What comes in one frame is shown and stored at once. */
  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#events.heard();
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const news = this.#news;
    const came = this.#came.map((entry) => this.#withLoose(entry));
    [this.#came, this.#news] = [[], new Map()];
    const known = new Set(came.map(keyOf).filter((key) => this.#places.has(key)));
    const touched = this.#place(came);
    for (const [key, one] of news) {
      const talk = this.#places.get(key);
      if (talk) touched.add(talk);
      else this.#setLoose(key, one);
    }
    for (const talk of touched) talk.hear(news);
    const incoming = new Set(came.filter((entry) => entry.senderId !== this.me && !known.has(keyOf(entry))));
    const readElsewhere = new Set(
      [...news].filter(([, { states }]) => hasRead(states, this.me)).map(([key]) => key),
    );
    const failed = [...touched].flatMap(({ entries }) =>
      entries.filter((entry) => news.has(keyOf(entry)) && markOf(entry) === "failed"),
    );
    const happenings = came.map((entry): Happening => {
      const isNew = incoming.has(entry) && !this.#isRead(entry);
      const conversation = conversationOf(this.me, entry);
      return { conversation, time: entry.time, ...(isNew && { unread: [keyOf(entry)] }) };
    });
    this.#store.change((inbox) =>
      withFailed(withRead(withHappenings(inbox, happenings), readElsewhere), failed),
    );
    if (incoming.size > 0) {
      this.#announce([...incoming]);
      if (this.#catchingUp > 0) this.#catchUp();
    }
    this.look();
    this.#events.changed();
  }

  /** Puts messages where they belong; answers the conversations. */
  #place(entries: readonly Entry[]): Set<Talk> {
    const byTalk = new Map<Talk, Entry[]>();
    for (const entry of entries) {
      const talk = this.#talkOf(conversationOf(this.me, entry));
      this.#places.set(keyOf(entry), talk);
      const its = byTalk.get(talk) ?? [];
      its.push(entry);
      byTalk.set(talk, its);
    }
    for (const [talk, its] of byTalk) talk.take(its);
    return new Set(byTalk.keys());
  }

  #setLoose(key: string, news: News): void {
    this.#loose.set(key, withNewsOf(this.#loose.get(key), news));
    const [oldest] = this.#loose.keys();
    if (oldest !== undefined && this.#loose.size > mostLoose) this.#loose.delete(oldest);
  }

  /** With what was heard of it before it came. */
  #withLoose(entry: Entry): Entry {
    const key = keyOf(entry);
    const loose = this.#loose.get(key);
    this.#loose.delete(key);
    return loose ? withNews(entry, loose) : entry;
  }

  #isRead(entry: Entry): boolean {
    return this.#read.has(keyOf(entry)) || hasRead(entry.states, this.me);
  }

  #announce(incoming: readonly Entry[]): void {
    const [entry, ...more] = incoming;
    if (!entry) return;
    const from = entry.senderId ?? "the app";
    const here = this.open?.conversation.id === conversationOf(this.me, entry).id;
    this.announcement =
      more.length > 0
        ? `${incoming.length} new messages`
        : here
          ? `${from}: ${entry.text.slice(0, 200)}`
          : `New message from ${from}`;
  }

  // ---- conversations --------------------------------------------------------------------------

  #waiting(): Entry[] {
    return [...this.#talks.values()].flatMap(({ entries }) => entries.filter(({ waiting }) => waiting));
  }

  async #send(message: WritableMessage): Promise<Message> {
    const sent = await this.#client.send(message);
    this.#came.push({ ...sent, ...noNews, waiting: true });
    this.#flush();
    return sent;
  }

  #talkOf(conversation: Conversation): Talk {
    const before = this.#talks.get(conversation.id);
    if (before) return before;
    const load = (options: HistoryOptions) =>
      this.#client.history(historyOf(conversation), { ...options, limit: page });
    const talk = new Talk(conversation, load, () => this.#events.changed());
    this.#talks.set(conversation.id, talk);
    return talk;
  }

  async #refresh(talk: Talk): Promise<void> {
    this.#reconcile(talk, await talk.refresh());
  }

  /** The history knows what was read, wherever that was. */
  #reconcile({ conversation }: Talk, entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    this.#place(entries.map((entry) => this.#withLoose(entry)));
    const theirs = entries.filter(({ senderId }) => senderId !== this.me);
    const read = theirs.filter((entry) => this.#isRead(entry)).map(keyOf);
    const unread = theirs.filter((entry) => !this.#isRead(entry)).map(keyOf);
    const time = Math.max(...entries.map((entry) => entry.time));
    this.#store.change((inbox) => withHappenings(inbox, [{ conversation, time, read, unread }]));
    this.look();
    this.#events.changed();
  }

  /** Once what waited has come: some of it was read on other devices. */
  #catchUp(): void {
    this.#catchingUp += 1;
    const turn = this.#catchingUp;
    this.#around.later(caughtUpMs, () => {
      if (turn !== this.#catchingUp) return;
      this.#catchingUp = 0;
      void this.#checkUnread();
    });
  }

  async #checkUnread(): Promise<void> {
    const unread = this.inbox.summaries.filter((summary) => summary.unread.length > 0);
    for (const { conversation } of unread.slice(0, mostChecked))
      await this.#refresh(this.#talkOf(conversation));
  }

  #takeFailed(): void {
    const failed = new Set(this.inbox.failed.map(({ messageId }) => messageId));
    const isGone = (entry: Entry) => markOf(entry) === "failed" && !failed.has(entry.messageId);
    for (const talk of this.#talks.values()) talk.remove(isGone);
    this.#place(this.inbox.failed);
  }
}

function withNewsOf(before: News | undefined, { states, failures }: News): News {
  if (!before) return { states, failures };
  const merged = Object.entries(states).map(([user, state]) => [user, { ...before.states[user], ...state }]);
  return {
    states: { ...before.states, ...Object.fromEntries(merged) },
    failures: { ...before.failures, ...failures },
  };
}

function hasRead(states: Readonly<Record<string, MessageState>>, user: string): boolean {
  return Object.hasOwn(states, user) && states[user]?.read !== undefined;
}

/** What a key of thread.ts names. */
function nameOf(key: string): Pick<Message, "messageId" | "senderId"> {
  const [sender = "", messageId = ""] = key.split(" ");
  return { senderId: sender || null, messageId };
}

function short({ messageId }: Pick<Message, "messageId">): string {
  // Its beginning is the time, which many share.
  return messageId.slice(-8);
}
