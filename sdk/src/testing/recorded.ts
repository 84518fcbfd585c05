import type { CarillonClient, Message, MessageFailure } from "..";

/** What a client tells of messages, in a few words each. */
export function recorded(client: CarillonClient) {
  const { messageClient } = client;
  const events: string[] = [];
  const incoming: Message[] = [];
  const failures: MessageFailure[] = [];
  messageClient.on("messageSent", ({ message }) => events.push(`sent ${message.text}`));
  messageClient.on("messageDelivered", ({ recipientId }) => events.push(`delivered ${recipientId}`));
  messageClient.on("messageRead", ({ recipientId }) => events.push(`read ${recipientId}`));
  messageClient.on("incomingMessage", (message) => incoming.push(message));
  messageClient.on("messageFailed", (failure) => {
    failures.push(failure);
    events.push(`failed ${failure.recipientId} ${failure.error.errorName}`);
  });
  return { events, incoming, failures };
}
