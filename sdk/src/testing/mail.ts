/** The messages of a Carillon in memory: mailboxes, notes, and who has read how far. */
import {
  type ClientFrame,
  type ErrorBody,
  errorBody,
  type Hello,
  type MailMessage,
  type Message,
  messageProblem,
  type Note,
  type OutgoingMessage,
  type SendFailure,
  type SendMessages,
  type SendOutcome,
  type SendResult,
  type ServerFrame,
} from "../../../protocol";
import type { Wire } from "./server";

/** A connection, as far as messages are concerned. */
export interface MailConnection {
  userId: string;
  hello: Hello;
  wire: Wire | undefined;
  /** Of one instance. */
  token: string;
}

type Unnumbered<N> = N extends { seq: number } ? Omit<N, "seq"> : never;

interface Box {
  mail: MailMessage[];
  notes: Note[];
  /** Somebody's device has everything up to here. */
  acked: number;
  /** What that was when an instance came first, by its token: there it starts, having no position. */
  starts: Map<string, number>;
}

export interface MailNetwork {
  now(): number;
  connections(): MailConnection[];
  /** Nothing, when the connection is gone. */
  send(to: MailConnection, frame: ServerFrame): void;
}

export class FakeMail {
  /** Every frame of messages that came. */
  readonly frames: SendMessages[] = [];
  /** Every message that was taken, once. */
  readonly taken: Message[] = [];
  readonly read: { from: string | null; id: string }[] = [];
  /** So late comes an answer to messages. */
  answerMs = 0;
  /** Answered to messages in place of what became of them. */
  readonly oddAnswers: object[] = [];
  /** What is wrong with a whole frame. */
  refusal: (frame: SendMessages) => ErrorBody | undefined = () => undefined;
  /** What becomes of a message, where it is not taken. */
  outcome: (message: OutgoingMessage) => SendOutcome | undefined = () => undefined;
  /** Who does not get it. */
  failures: (message: OutgoingMessage) => SendFailure[] = () => [];
  readonly #boxes = new Map<string, Box>();
  readonly #outcomes = new Map<string, SendOutcome>();

  constructor(private readonly network: MailNetwork) {}

  /** After hello. */
  open(connection: MailConnection): void {
    const { mail } = connection.hello;
    if (!mail) return;
    const box = this.#box(connection.userId);
    const start = box.starts.get(connection.token) ?? box.acked;
    box.starts.set(connection.token, start);
    const messages = box.mail.filter(({ seq }) => seq > (mail.ack ?? start));
    const notes = box.notes.filter(({ seq }) => seq > (mail.notes ?? 0));
    if (messages.length > 0) this.network.send(connection, { type: "mail", messages });
    if (notes.length > 0) this.network.send(connection, { type: "notes", notes });
  }

  take(connection: MailConnection, frame: ClientFrame): void {
    switch (frame.type) {
      case "send":
        this.frames.push(frame);
        this.#send(connection, frame);
        return;
      case "read":
        this.read.push(...frame.messages);
        this.network.send(connection, { type: "answer", id: frame.id, result: {} });
        return;
      case "typing":
        for (const other of this.network.connections()) {
          if (!frame.to.includes(other.userId)) continue;
          this.network.send(other, { type: "typing", from: connection.userId });
        }
        return;
      case "ack":
        if (frame.mail?.ack) this.#acknowledged(connection.userId, frame.mail.ack);
        return;
    }
  }

  /** Something for a user, from somewhere else. */
  put(from: string | null, to: string, text: string, id: string): void {
    this.#deliver(to, { id, from, to: [to], text, headers: {}, time: this.network.now() });
  }

  note(userId: string, note: Unnumbered<Note>, except?: MailConnection): void {
    const { notes } = this.#box(userId);
    const numbered = { ...note, seq: (notes.at(-1)?.seq ?? 0) + 1 } as Note;
    notes.push(numbered);
    for (const other of this.#of(userId)) {
      if (other !== except) this.network.send(other, { type: "notes", notes: [numbered] });
    }
  }

  #send(connection: MailConnection, frame: SendMessages): void {
    const refusal = this.refusal(frame);
    if (refusal) {
      this.network.send(connection, { type: "error", id: frame.id, error: refusal });
      return;
    }
    let limited: ErrorBody | undefined;
    const results = frame.messages.map((message): SendOutcome => {
      const name = `${connection.userId}/${message.id}`;
      const known = this.#outcomes.get(name);
      if (known) return known;
      const { id } = message;
      // What comes behind a message that was too much is too much as well.
      const problem = messageProblem(message);
      const error = limited ?? (problem ? errorBody(problem.name, { detail: problem.detail }) : undefined);
      const refused = error ? { id, failed: [], error } : this.outcome(message);
      if (refused?.error?.name === "rateLimited") limited = refused.error;
      if (refused) return refused;
      const outcome = this.#accept(connection, message);
      this.#outcomes.set(name, outcome);
      return outcome;
    });
    const result = (this.oddAnswers.shift() as SendResult | undefined) ?? { results };
    const answer = () => this.network.send(connection, { type: "answer", id: frame.id, result });
    if (this.answerMs > 0) setTimeout(answer, this.answerMs);
    else answer();
  }

  #accept(connection: MailConnection, outgoing: OutgoingMessage): SendOutcome {
    const time = this.network.now();
    const message = { ...outgoing, from: connection.userId, time };
    const failed = this.failures(outgoing);
    this.taken.push(message);
    for (const to of outgoing.to) if (!failed.some((one) => one.to === to)) this.#deliver(to, message);
    this.note(connection.userId, { note: "sent", message, failed }, connection);
    return { id: outgoing.id, time, failed };
  }

  #deliver(to: string, message: Message): void {
    const { mail } = this.#box(to);
    const copy = { ...message, seq: mail.length + 1 };
    mail.push(copy);
    for (const connection of this.#of(to)) this.network.send(connection, { type: "mail", messages: [copy] });
  }

  #acknowledged(userId: string, ack: number): void {
    const box = this.#box(userId);
    const fresh = box.mail.filter(({ seq }) => seq > box.acked && seq <= ack);
    box.acked = Math.max(box.acked, ack);
    for (const { from, id } of fresh) {
      if (from) this.note(from, { note: "delivered", id, by: userId, time: this.network.now() });
    }
  }

  #of(userId: string): MailConnection[] {
    return this.network.connections().filter((one) => one.userId === userId && one.wire && one.hello.mail);
  }

  #box(userId: string): Box {
    const box = this.#boxes.get(userId) ?? { mail: [], notes: [], acked: 0, starts: new Map() };
    this.#boxes.set(userId, box);
    return box;
  }
}
