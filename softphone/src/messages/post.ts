/** The messages of the phone: the conversations, the one that is open, and what is to be read. */
import { type Message, type MessageClient, type MessageState, WritableMessage } from "@carillon/sdk";
import { problemOf } from "../problem";
import { Arrivals, type Batch } from "./arrivals";
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
import type { Talk } from "./talk";
import { Talks } from "./talks";
import { type Entry, keyOf, markOf, noNews } from "./thread";
import { Typing } from "./typing";

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

/** After this long without a message, a device that comes back has what waited for it. */
const caughtUpMs = 2_000;
/** So many conversations are looked through for what was read on other devices. */
const mostChecked = 10;
/** Messages of the history that are fetched at a time. */
const limit = 50;

export class Post {
  /** The conversation that is open. */
  open: Talk | undefined;
  /** The one that was open before. */
  left: string | undefined;
  /** For those who do not see: what has come. */
  announcement = "";
  readonly me: string;
  readonly typing: Typing;
  readonly #client: MessageClient;
  readonly #events: PostEvents;
  readonly #around: PostSurroundings;
  readonly #store: InboxStore;
  readonly #talks: Talks;
  /** The keys of messages that this page has marked as read. */
  readonly #read = new Set<string>();
  /** The ids of messages that are just being sent again. */
  readonly #againNow = new Set<string>();
  /** Grows when the wait for what had waited begins anew; 0 when that is over. */
  #catchingUp = 0;

  constructor(me: string, client: MessageClient, events: PostEvents, around: PostSurroundings) {
    this.me = me;
    this.#client = client;
    this.#events = events;
    this.#around = around;
    this.#store = new InboxStore(me, around.storage, around.name);
    this.typing = new Typing(around.later, events.changed);
    this.#talks = new Talks(
      me,
      (conversation, options) => client.history(historyOf(conversation), { ...options, limit }),
      events.changed,
    );
    new Arrivals(me, client, { ...events, deliver: (batch) => this.#take(batch) });
    client.on("typing", ({ userId }) => this.typing.began(userId));
    this.#takeFailed();
  }

  get inbox(): Inbox {
    return this.#store.inbox;
  }

  /** So many messages wait to be sent. */
  get waiting(): number {
    return this.#talks.waiting.length;
  }

  talk(id: string): Talk | undefined {
    return this.#talks.find(id);
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
    this.open = this.#talks.of(conversation);
    this.look();
    void this.#refresh(this.open);
    this.#events.changed();
  }

  leave(): void {
    if (this.open) {
      this.left = this.open.conversation.id;
      this.#talks.putAside(this.open);
    }
    this.open = undefined;
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
    const people = conversation.others.filter((user) => user !== this.me);
    if (people.length > 0) this.#client.sendTyping(people);
  }

  /** Sends a message anew that failed, as another message; to these alone when some have it. */
  async again(entry: Entry, users: readonly string[]): Promise<void> {
    // A second click is no second message.
    if (this.#againNow.has(entry.messageId)) return;
    this.#againNow.add(entry.messageId);
    try {
      const whole = markOf(entry) === "failed";
      const copy = await this.#send(WritableMessage.from(entry, whole ? entry.recipientIds : users));
      if (whole) this.remove(entry);
      else this.show(conversationOf(this.me, copy));
    } catch (thrown) {
      this.#events.failed(thrown);
    } finally {
      this.#againNow.delete(entry.messageId);
    }
  }

  /** Forgets a message that failed. */
  remove({ messageId }: Entry): void {
    this.#store.change((inbox) => withoutFailed(inbox, messageId));
    this.#talks.remove((entry) => entry.messageId === messageId);
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
      for (const talk of this.#talks) talk.offline();
      return;
    }
    void this.sync();
    if (this.open) void this.#refresh(this.open);
    this.#catchUp();
  }

  /** Looks at what waits to be sent: other tabs add to it, and send what this one was given. */
  async sync(): Promise<void> {
    const before = new Set(this.#talks.waiting.map(keyOf));
    try {
      const waiting = (await this.#client.outgoing()).map(
        (message): Entry => ({ ...message, ...noNews, waiting: true }),
      );
      for (const entry of waiting) before.delete(keyOf(entry));
      // Nobody has told this tab, but it is not in the queue any more.
      const gone = this.#talks.waiting.filter((entry) => before.has(keyOf(entry)));
      const sent = gone.map(({ waiting: _, ...entry }): Entry => entry);
      this.#take({ entries: [...waiting, ...sent], news: new Map() });
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

  // ---- what comes -----------------------------------------------------------------------------

  #take({ entries, news }: Batch): void {
    const known = new Set(entries.filter((entry) => this.#talks.has(entry)).map(keyOf));
    const placed = this.#talks.place(entries);
    const failed = this.#talks.hear(news);
    const incoming = placed.filter((entry) => entry.senderId !== this.me && !known.has(keyOf(entry)));
    const unread = new Set(incoming.filter((entry) => !this.#isRead(entry)).map(keyOf));
    const happenings = placed.map((entry): Happening => {
      const key = keyOf(entry);
      const conversation = conversationOf(this.me, entry);
      return { conversation, time: entry.time, ...(unread.has(key) && { unread: [key] }) };
    });
    const readElsewhere = [...news].filter(([, { states }]) => hasRead(states, this.me)).map(([key]) => key);
    this.#store.change((inbox) =>
      withFailed(withRead(withHappenings(inbox, happenings), new Set(readElsewhere)), failed),
    );
    if (failed.length > 0) this.announcement = "A message was not sent";
    if (incoming.length > 0) this.#came(incoming);
    this.look();
    this.#events.changed();
  }

  #came(incoming: readonly Entry[]): void {
    for (const { senderId } of incoming) if (senderId !== null) this.typing.ended(senderId);
    this.announcement = this.#announcementOf(incoming);
    if (this.#catchingUp > 0) this.#catchUp();
  }

  #announcementOf([entry, ...more]: readonly Entry[]): string {
    if (!entry) return "";
    if (more.length > 0) return `${more.length + 1} new messages`;
    const from = entry.senderId ?? "the app";
    const here = this.open?.conversation.id === conversationOf(this.me, entry).id;
    return here ? `${from}: ${entry.text.slice(0, 200)}` : `New message from ${from}`;
  }

  async #send(message: WritableMessage): Promise<Message> {
    const sent = await this.#client.send(message);
    this.#take({ entries: [{ ...sent, ...noNews, waiting: true }], news: new Map() });
    return sent;
  }

  #takeFailed(): void {
    const failed = new Set(this.inbox.failed.map(keyOf));
    this.#talks.remove((entry) => markOf(entry) === "failed" && !failed.has(keyOf(entry)));
    this.#talks.place(this.inbox.failed);
  }

  // ---- the history ----------------------------------------------------------------------------

  async #refresh(talk: Talk): Promise<void> {
    this.#reconcile(talk, await talk.refresh());
  }

  /** The history knows what was read, wherever that was. */
  #reconcile({ conversation }: Talk, entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const theirs = this.#talks.place(entries).filter(({ senderId }) => senderId !== this.me);
    const read = theirs.filter((entry) => this.#isRead(entry)).map(keyOf);
    const unread = theirs.filter((entry) => !this.#isRead(entry)).map(keyOf);
    const time = Math.max(...entries.map((entry) => entry.time));
    this.#store.change((inbox) => withHappenings(inbox, [{ conversation, time, read, unread }]));
    this.look();
    this.#events.changed();
  }

  #isRead(entry: Entry): boolean {
    return this.#read.has(keyOf(entry)) || hasRead(entry.states, this.me);
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
      await this.#refresh(this.#talks.of(conversation));
  }
}

function hasRead(states: Readonly<Record<string, MessageState>>, user: string): boolean {
  return Object.hasOwn(states, user) && states[user]?.read !== undefined;
}

/** What a key of thread.ts names. */
function nameOf(key: string): Pick<Message, "messageId" | "senderId"> {
  const [sender = "", messageId = ""] = key.split(" ");
  return { senderId: sender || null, messageId };
}
