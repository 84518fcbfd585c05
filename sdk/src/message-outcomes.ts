import type { Note, SendFailure } from "../../protocol";
import type { Emitter } from "./emitter";
import { CarillonError } from "./errors";
import { type Message, type MessageClientEvents, type MessageFailure, toMessage } from "./messages";

/** So many messages of this user are known by their ids, the last ones. */
const remembered = 256;

/**
 * Tells the app what became of this user's messages, of each once: the answer to this device and a
 * note may say the same, when a connection dropped between them.
 */
export class MessageOutcomes {
  readonly #emitter: Emitter<MessageClientEvents>;
  /** Those whose sending is over. */
  readonly #recent = new Map<string, Message>();

  constructor(emitter: Emitter<MessageClientEvents>) {
    this.#emitter = emitter;
  }

  /** Whether the sending of a message is over. */
  knows(messageId: string): boolean {
    return this.#recent.has(messageId);
  }

  /** The server has it for all but those who `failed`, or (not `sent`) it goes to nobody. */
  over(message: Message, failed: SendFailure[], sent: boolean): void {
    const { messageId } = message;
    if (this.knows(messageId)) return;
    this.#recent.set(messageId, message);
    const [oldest] = this.#recent.keys();
    if (oldest && this.#recent.size > remembered) this.#recent.delete(oldest);
    const failures = failed.map((failure) => this.#failure(messageId, failure));
    if (sent) this.#emitter.emit("messageSent", { message, failed: failures });
    for (const failure of failures) this.#emitter.emit("messageFailed", failure);
  }

  note(note: Note): void {
    if (note.note === "sent") {
      this.over(toMessage(note.message), note.failed, true);
      return;
    }
    const { id: messageId } = note;
    if (note.note === "failed") {
      this.#emitter.emit("messageFailed", this.#failure(messageId, note));
      return;
    }
    const { by: recipientId, time } = note;
    if (note.note === "read") {
      this.#emitter.emit("messageRead", { messageId, senderId: note.from, recipientId, time });
    }
    if (note.note === "delivered") this.#emitter.emit("messageDelivered", { messageId, recipientId, time });
  }

  #failure(messageId: string, { to, error }: SendFailure): MessageFailure {
    const message = this.#recent.get(messageId);
    return { messageId, recipientId: to, error: new CarillonError(error), ...(message && { message }) };
  }
}
