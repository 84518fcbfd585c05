/** Sends messages, takes messages, and tells what became of them. */
import { Emitter } from "./emitter";
import { makeError } from "./errors";
import type { History, HistoryOptions, Message, MessageClientEvents, WritableMessage } from "./messages";

/**
 * Messages of this user: `client.messageClient`.
 *
 * @example
 * const { messageClient } = client;
 * messageClient.on("incomingMessage", (message) => {
 *   show(message);
 *   messageClient.markRead(message);
 * });
 * messageClient.on("messageSent", ({ message }) => showTick(message.messageId));
 * const message = await messageClient.send(new WritableMessage("bob", "Hello"));
 */
export class MessageClient extends Emitter<MessageClientEvents> {
  /**
   * Sends a message. Resolves as soon as it is stored on this device, also while it is offline: from
   * there on it is sent by itself, in order, also after a reload, for 12 hours. `messageSent` or
   * `messageFailed` tell what became of it.
   *
   * @throws CarillonError (rejects) `rateLimited` when 1,000 messages wait already, `terminated`,
   * `invalidUse` after `setSupportMessaging(false)`.
   * @example
   * const { messageId } = await client.messageClient.send(new WritableMessage("bob", "Hello"));
   */
  async send(_message: WritableMessage): Promise<Message> {
    throw makeError("unavailable");
  }

  /**
   * The messages that wait to be sent, oldest first, also those that another tab was given.
   *
   * @example
   * for (const message of await client.messageClient.outgoing()) showWaiting(message);
   */
  async outgoing(): Promise<Message[]> {
    return [];
  }

  /**
   * The person has read these: their senders get `messageRead`, and so do the user's other devices.
   *
   * @example
   * if (document.hasFocus()) client.messageClient.markRead(shownMessages);
   */
  markRead(
    _messages: Pick<Message, "messageId" | "senderId"> | readonly Pick<Message, "messageId" | "senderId">[],
  ): void {}

  /**
   * The person is typing to these users, 16 at most. Call it at every key: it is told once in 3 seconds.
   *
   * @example
   * input.addEventListener("input", () => client.messageClient.sendTyping("bob"));
   */
  sendTyping(_recipients: string | readonly string[]): void {}

  /**
   * A page of a conversation: of all messages among this user and `withUsers`, whoever of them sent
   * it, newest first. With no users: what the application itself sent to this user.
   *
   * @throws CarillonError (rejects) `networkLost`, or what the server says.
   * @example
   * const page = await client.messageClient.history("bob", { limit: 30 });
   * const older = page.next && (await client.messageClient.history("bob", { before: page.next }));
   */
  async history(_withUsers: string | readonly string[], _options: HistoryOptions = {}): Promise<History> {
    throw makeError("unavailable");
  }
}
