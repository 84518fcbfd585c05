/**
 * A device with an app on it, which sends and gets messages by the SDK. Its process may die at any
 * moment: then what is left is what the SDK has stored, and the inbox as it was at the position that
 * the SDK has stored, as if the app had stored them together. The position is read off the wire, from
 * the first frame of the next process, so that this knows nothing of how the SDK keeps it.
 */
import { CarillonClient, type CarillonError, type Message, WritableMessage } from "../../sdk/src/index";
import { mintToken, type Server } from "../support/server";
import { nameOf } from "./delivery";
import { Process, type Wire } from "./process";

/** A message as a device wrote it; `number` counts what it has written, to whomever. */
export interface Written {
  device: string;
  number: number;
  from: string;
  to: string[];
}

/** A message as it lies in an inbox. */
export interface Received {
  text: string;
  from: string | null;
  seq: number;
}

/** What all devices have done and seen. A message is known by its text. */
export class Journal {
  readonly written = new Map<string, Written>();
  /** What the SDK has promised to send, and what the server has promised to deliver. */
  readonly kept = new Set<string>();
  readonly sent = new Set<string>();
  /** What must not have happened. */
  readonly problems: string[] = [];
  readonly count = { drops: 0, reloads: 0, rolledBack: 0, sentAgain: 0, inVain: 0 };
  /** Ids that went out, and ids that came in somewhere. */
  readonly out = new Set<string>();
  readonly in = new Set<string>();
}

export class Device {
  inbox: Received[] = [];
  readonly #stored = new Map<string, string>();
  /** By sender and id. */
  readonly #seqs = new Map<string, number>();
  #process: Process | undefined;
  #client: CarillonClient | undefined;
  #number = 0;
  #away = false;
  #registered = false;

  constructor(
    readonly name: string,
    readonly userId: string,
    private readonly server: Pick<Server, "url" | "applicationKey" | "adminToken">,
    private readonly journal: Journal,
    private readonly random: () => number,
  ) {}

  /** It has been connected. */
  get registered(): boolean {
    return this.#registered;
  }

  /** Starts the app, with nothing but what is stored. */
  start(): void {
    const process = new Process(this.#stored, this.#wire(), this.random, () => !this.#away);
    const client = new CarillonClient({
      ...process.options,
      applicationKey: this.server.applicationKey,
      environmentHost: this.server.url,
      userId: this.userId,
    });
    client.setSupportCalling(false);
    client.on("credentialsRequired", async ({ register }) =>
      register({ token: await mintToken(this.server, this.userId) }),
    );
    client.messageClient.on("messageSent", ({ message }) => {
      if (process.alive) this.journal.sent.add(message.text);
    });
    client.messageClient.on("incomingMessage", (message) => {
      if (process.alive) this.#take(message);
    });
    client.messageClient.on("messageFailed", ({ message, recipientId, error }) =>
      this.#problem(`${message && nameOf(message.text)} to ${recipientId}: ${error.errorName}`),
    );
    const begin = () => {
      if (process.alive) client.start().catch(again);
    };
    const again = (error: CarillonError) => {
      if (error.errorName !== "networkLost") this.#problem(`does not start: ${error.errorName}`);
      setTimeout(begin, 100);
    };
    begin();
    this.#process = process;
    this.#client = client;
  }

  /** The process dies, and the app is started again. */
  reload(): void {
    this.journal.count.reloads += 1;
    this.#process?.kill();
    this.start();
  }

  /** The network goes, and is back after a while: mostly soon. */
  drop(): void {
    if (this.#away) return;
    this.journal.count.drops += 1;
    this.#away = true;
    this.#process?.drop();
    setTimeout(
      () => {
        this.#away = false;
        this.online();
      },
      this.random() ** 8 * 6_000,
    );
  }

  /** The server may be there again. */
  online(): void {
    if (!this.#away) this.#process?.online();
  }

  /** Sends one more message. False when the process died before the SDK had it: nothing is promised then. */
  async write(to: string[]): Promise<boolean> {
    const [process, client] = [this.#process, this.#client];
    if (!process || !client) return false;
    const number = ++this.#number;
    // Now and then a long one: what waits does not fit into one frame.
    const text = `${this.name} ${number} ${number % 40 ? "" : "long ".repeat(2_000)}`.trim();
    this.journal.written.set(text, { device: this.name, number, from: this.userId, to });
    const kept = client.messageClient.send(new WritableMessage(to, text)).then(() => {
      this.journal.kept.add(text);
      return true;
    });
    return Promise.race([kept, process.dead.then(() => false)]);
  }

  /** How many messages wait to be sent. */
  async waiting(): Promise<number> {
    return (await this.#client?.messageClient.outgoing())?.length ?? 0;
  }

  close(): void {
    this.#process?.kill();
  }

  #wire(): Wire {
    const { count, out, in: arrived } = this.journal;
    let resumed = false;
    return {
      said: (frame) => {
        if (frame.type === "hello" && !resumed) {
          resumed = true;
          const position = frame.mail?.ack ?? 0;
          const kept = this.inbox.filter(({ seq }) => seq <= position);
          count.rolledBack += this.inbox.length - kept.length;
          this.inbox = kept;
        }
        if (frame.type !== "send") return;
        for (const { id } of frame.messages) {
          if (out.has(id)) count.sentAgain += 1;
          if (arrived.has(id)) count.inVain += 1;
          out.add(id);
        }
      },
      heard: (frame) => {
        if (frame.type === "welcome") this.#registered = true;
        if (frame.type !== "mail") return;
        for (const { from, id, seq } of frame.messages) {
          this.#seqs.set(`${from} ${id}`, seq);
          arrived.add(id);
        }
      },
    };
  }

  #take({ senderId, messageId, text }: Message): void {
    const seq = this.#seqs.get(`${senderId} ${messageId}`);
    if (seq === undefined) this.#problem(`${nameOf(text)} came from nowhere`);
    else this.inbox.push({ text, from: senderId, seq });
  }

  #problem(what: string): void {
    this.journal.problems.push(`${this.name}: ${what}`);
  }
}
