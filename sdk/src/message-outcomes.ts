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

  /** The server has it, for all but those who failed. */
  sent(message: Message, failed: SendFailure[]): void {
    if (!this.#remember(message)) return;
    const failures = failed.map((failure) => failureOf(message.messageId, failure, message));
    this.#emitter.emit("messageSent", { message, failed: failures });
    this.#tell(failures);
  }

  /** It goes to nobody. */
  refused(message: Message, failed: SendFailure[]): void {
    if (this.#remember(message))
      this.#tell(failed.map((failure) => failureOf(message.messageId, failure, message)));
  }

  note(note: Note): void {
    if (note.note === "sent") {
      this.sent(toMessage(note.message), note.failed);
      return;
    }
    const messageId = note.id;
    if (note.note === "failed") {
      this.#tell([failureOf(messageId, note, this.#recent.get(messageId))]);
      return;
    }
    const { by: recipientId, time } = note;
    if (note.note === "delivered") this.#emitter.emit("messageDelivered", { messageId, recipientId, time });
    if (note.note === "read") {
      this.#emitter.emit("messageRead", { messageId, senderId: note.from, recipientId, time });
    }
  }

  /** False when it is known already. */
  #remember(message: Message): boolean {
    if (this.#recent.has(message.messageId)) return false;
    this.#recent.set(message.messageId, message);
    const [oldest] = this.#recent.keys();
    if (oldest && this.#recent.size > remembered) this.#recent.delete(oldest);
    return true;
  }

  #tell(failures: MessageFailure[]): void {
    for (const failure of failures) this.#emitter.emit("messageFailed", failure);
  }
}

function failureOf(messageId: string, { to, error }: SendFailure, message?: Message): MessageFailure {
  return { messageId, recipientId: to, error: new CarillonError(error), ...(message && { message }) };
}
