import { CarillonError, type Message, type MessageClientEvents, type StoredMessage } from "@carillon/sdk";
import { beforeEach, describe, expect, it } from "vitest";
import { errorTable } from "../../../protocol";
import { titleOf } from "./conversation";
import { unreadTotal } from "./inbox";
import { Post } from "./post";
import { markOf } from "./thread";

/** The SDK as far as the post sees it, and the words of a server for it. */
class FakeClient {
  readonly queue: Message[] = [];
  readonly read: string[] = [];
  readonly asked: string[] = [];
  stored: StoredMessage[] = [];
  refuses = false;
  readonly #listeners = new Map<string, (event: unknown) => void>();

  on(event: string, listener: (event: unknown) => void) {
    this.#listeners.set(event, listener);
  }
  /** What the SDK tells; then the page has seen to it. */
  async tell<E extends keyof MessageClientEvents>(event: E, ...values: MessageClientEvents[E][]) {
    for (const value of values) this.#listeners.get(event)?.(value);
    await settled();
  }
  async send({ recipientIds, text }: Pick<Message, "recipientIds" | "text">) {
    if (this.refuses) throw new Error("too many wait");
    const message = from("me", text, ...recipientIds);
    this.queue.push(message);
    return message;
  }
  async outgoing() {
    return this.queue;
  }
  markRead(messages: Pick<Message, "messageId">[]) {
    this.read.push(...messages.map(({ messageId }) => messageId));
  }
  sendTyping() {}
  async history(people: readonly string[]) {
    this.asked.push(people.join(" "));
    return { messages: this.stored };
  }
}

let messages: number;
const from = (senderId: string | null, text: string, ...recipientIds: string[]): Message => {
  messages += 1;
  return { messageId: `m${messages}`, senderId, recipientIds, text, headers: {}, time: messages };
};
const settled = () => new Promise((resolve) => setTimeout(resolve));

let kept: Map<string, string>;
let client: FakeClient;
let post: Post;
let problems: unknown[];
let visible: boolean;
let timers: (() => void)[];

/** A page of "me"; another one on the same storage is another tab, or this one after a reload. */
function openPage(): { client: FakeClient; post: Post } {
  const client = new FakeClient();
  const nothing = () => {};
  const post = new Post(
    "me",
    client as never,
    { changed: nothing, heard: nothing, log: nothing, failed: (thrown) => problems.push(thrown) },
    {
      storage: {
        getItem: (name) => kept.get(name) ?? null,
        setItem: (name, value) => kept.set(name, value),
        removeItem: (name) => kept.delete(name),
      },
      name: "inbox",
      visible: () => visible,
      later: (_, run) => timers.push(run),
    },
  );
  return { client, post };
}

beforeEach(() => {
  messages = 0;
  kept = new Map();
  problems = [];
  timers = [];
  visible = true;
  ({ client, post } = openPage());
});

const list = ({ inbox } = post) =>
  inbox.summaries.map(({ conversation, unread }) => `${titleOf("me", conversation)} ${unread.length}`);
const marks = () => post.open?.entries.map((entry) => `${entry.text} ${markOf(entry)}`);
const error = (name: "expired" | "userUnknown") =>
  new CarillonError({ errorCode: errorTable[name].code, name, message: errorTable[name].message, hint: "" });

describe("incoming messages", () => {
  it("make conversations, the last one first, and count until they are read", async () => {
    await client.tell("incomingMessage", from("bob", "1", "me"), from("carol", "2", "me", "bob"));
    await client.tell("incomingMessage", from("bob", "3", "me"), from(null, "4", "me"));
    expect(list()).toEqual(["The app 1", "bob 2", "bob, carol 1"]);
    post.openWith(["bob"]);
    expect([list()[1], client.read]).toEqual(["bob 0", ["m1", "m3"]]);
  });

  it("are read at once where they are seen, and not otherwise", async () => {
    post.openWith(["bob"]);
    await client.tell("incomingMessage", from("bob", "1", "me"));
    expect(client.read).toEqual(["m1"]);
    visible = false;
    await client.tell("incomingMessage", from("bob", "2", "me"));
    expect([client.read, unreadTotal(post.inbox)]).toEqual([["m1"], 1]);
    visible = true;
    post.look();
    expect([client.read, unreadTotal(post.inbox)]).toEqual([["m1", "m2"], 0]);
  });

  it("further down than the person reads wait to be seen", async () => {
    post.openWith(["bob"]);
    const talk = post.open;
    if (!talk) throw new Error("not open");
    post.scrolled(talk, false);
    await client.tell("incomingMessage", from("bob", "1", "me"));
    expect([client.read, list()]).toEqual([[], ["bob 1"]]);
    post.scrolled(talk, true);
    expect(client.read).toEqual(["m1"]);
  });

  it("count once, however often they come", async () => {
    const message = from("bob", "1", "me");
    await client.tell("incomingMessage", message);
    await client.tell("incomingMessage", message);
    const later = openPage();
    await later.client.tell("incomingMessage", message);
    expect(list(later.post)).toEqual(["bob 1"]);
  });

  it("that another device has read count no more, also when that is heard first", async () => {
    const [one, two] = [from("bob", "1", "me"), from("bob", "2", "me")];
    const read = ({ messageId }: Message) => ({ messageId, senderId: "bob", recipientId: "me", time: 9 });
    await client.tell("incomingMessage", one);
    await client.tell("messageRead", read(one), read(two));
    await client.tell("incomingMessage", two);
    expect(list()).toEqual(["bob 0"]);
  });

  it("that were read while this device was away are found in the history", async () => {
    const [one, two] = [from("bob", "1", "me"), from("bob", "2", "me")];
    client.stored = [
      { ...one, states: { me: { read: 5 } } },
      { ...two, states: { me: {} } },
    ];
    post.connected(true);
    await client.tell("incomingMessage", one, two);
    expect(list()).toEqual(["bob 2"]);
    for (const run of timers) run();
    await settled();
    expect([list(), client.asked]).toEqual([["bob 1"], ["bob"]]);
  });

  it("are announced", async () => {
    await client.tell("incomingMessage", from("bob", "hello", "me"));
    expect(post.announcement).toBe("New message from bob");
    post.openWith(["bob"]);
    await client.tell("incomingMessage", from("bob", "again", "me"));
    expect(post.announcement).toBe("bob: again");
    await client.tell("incomingMessage", from("bob", "1", "me"), from("bob", "2", "me"));
    expect(post.announcement).toBe("2 new messages");
  });
});

describe("messages of this user", () => {
  it("wait, and come as far as they come", async () => {
    post.openWith(["bob"]);
    const talk = post.open;
    if (!talk) throw new Error("not open");
    expect(await post.write(talk, "hi")).toBe(true);
    expect([marks(), post.waiting, list()]).toEqual([["hi waiting"], 1, ["bob 0"]]);
    const [message] = client.queue;
    if (!message) throw new Error("not sent");
    const { messageId } = message;
    const bob = { messageId, recipientId: "bob" };
    await client.tell("messageSent", { message: { ...message, time: 7 }, failed: [] });
    expect([marks(), post.waiting]).toEqual([["hi sent"], 0]);
    await client.tell("messageDelivered", { ...bob, time: 8 });
    expect(marks()).toEqual(["hi delivered"]);
    await client.tell("messageRead", { ...bob, senderId: "me", time: 9 });
    expect(marks()).toEqual(["hi read"]);
  });

  it("are shown as well when another device sent them, with what was heard before", async () => {
    const message = from("me", "elsewhere", "bob");
    await client.tell("messageDelivered", { messageId: message.messageId, recipientId: "bob", time: 8 });
    await client.tell("messageSent", { message, failed: [] });
    post.openWith(["bob"]);
    expect([marks(), list()]).toEqual([["elsewhere delivered"], ["bob 0"]]);
  });

  it("wait still after a reload; what is not in the queue any more was sent", async () => {
    const [one, two] = [from("me", "1", "bob"), from("me", "2", "bob")];
    client.queue.push(one, two);
    await post.sync();
    post.openWith(["bob"]);
    expect(marks()).toEqual(["1 waiting", "2 waiting"]);
    client.queue.shift();
    await post.sync();
    expect(marks()).toEqual(["1 sent", "2 waiting"]);
  });

  it("that cannot be taken are told of", async () => {
    post.openWith(["bob"]);
    const talk = post.open;
    if (!talk) throw new Error("not open");
    client.refuses = true;
    expect(await post.write(talk, "hi")).toBe(false);
    expect([problems.length, marks()]).toEqual([1, []]);
    expect(await post.write(talk, "")).toBe(false);
  });

  it("go to nobody whose id is none", () => {
    expect(post.openWith(["no\u00efl"])).toBe(false);
    expect([problems.length, post.open]).toEqual([1, undefined]);
  });
});

describe("messages that failed", () => {
  const fail = async (message: Message, recipientId: string, name: "expired" | "userUnknown") =>
    client.tell("messageFailed", { messageId: message.messageId, recipientId, error: error(name), message });

  it("stay over a reload until they are sent again, as new ones", async () => {
    const message = from("me", "late", "bob");
    await fail(message, "bob", "expired");
    ({ client, post } = openPage());
    post.openWith(["bob"]);
    expect(marks()).toEqual(["late failed"]);
    const [entry] = post.open?.entries ?? [];
    if (!entry) throw new Error("not here");
    await Promise.all([post.again(entry, []), post.again(entry, [])]);
    expect([marks(), client.queue.length]).toEqual([["late waiting"], 1]);
    expect(client.queue[0]?.messageId).not.toBe(message.messageId);
    expect(post.inbox.failed).toEqual([]);
  });

  it("for some only go again to these alone", async () => {
    const message = from("me", "all", "bob", "carol");
    await client.tell("messageSent", { message, failed: [] });
    await fail(message, "carol", "userUnknown");
    post.openWith(["bob", "carol"]);
    expect([marks(), post.inbox.failed]).toEqual([["all sent"], []]);
    const [entry] = post.open?.entries ?? [];
    if (!entry) throw new Error("not here");
    await post.again(entry, ["carol"]);
    expect(client.queue.map(({ recipientIds }) => recipientIds)).toEqual([["carol"]]);
    expect(post.open?.conversation.others).toEqual(["carol"]);
  });

  it("are removed in all tabs", async () => {
    await fail(from("me", "late", "bob"), "bob", "expired");
    const other = openPage().post;
    const [entry] = post.inbox.failed;
    if (!entry) throw new Error("not kept");
    post.remove(entry);
    other.stored("inbox");
    other.openWith(["bob"]);
    expect(other.open?.entries).toEqual([]);
  });
});

describe("typing", () => {
  it("is shown for a while, and until a message comes", async () => {
    post.openWith(["bob"]);
    const typers = () => post.open && post.typing.among(post.open.conversation);
    await client.tell("typing", { userId: "bob" });
    await client.tell("typing", { userId: "bob" });
    timers.shift()?.();
    expect(typers()).toEqual(["bob"]);
    timers.shift()?.();
    expect(typers()).toEqual([]);
    await client.tell("typing", { userId: "bob" });
    await client.tell("incomingMessage", from("bob", "1", "me"));
    expect(typers()).toEqual([]);
  });
});

describe("the browser", () => {
  it("keeps nothing after signing out", async () => {
    await client.tell("incomingMessage", from("bob", "1", "me"));
    post.forget();
    expect(kept.size).toBe(0);
  });

  it("shows what another tab has kept", async () => {
    const other = openPage();
    await other.client.tell("incomingMessage", from("bob", "1", "me"));
    post.stored("inbox");
    expect(list()).toEqual(["bob 1"]);
  });
});
