/** Messages as recipients' hubs write them, and as they are read. */
import type { MessageCopy } from "../../core/messages/archive";
import { lowestMessageId } from "../../core/messages/message-id";
import type { MessagePage, Result } from "../../protocol";

export const now = Date.now();
export const day = 86_400_000;

let made = 0;
export const messageId = (time = now) =>
  `${lowestMessageId(time)}7000-8000-${String(++made).padStart(12, "0")}`;

export const copyOf = (change: Partial<MessageCopy> = {}): MessageCopy => ({
  ...{ id: messageId(), from: "alice", to: ["bob"], recipient: "bob", text: "hi", headers: {}, time: now },
  ...change,
});

/** One copy for each recipient. */
export const copiesOf = (change: Partial<MessageCopy> & { to: string[] }): MessageCopy[] => {
  const id = messageId();
  return change.to.map((recipient) => copyOf({ id, recipient, ...change }));
};

export const newKey = () => crypto.randomUUID();
export function pageOf(page: Result<MessagePage>): MessagePage {
  if (!page.ok) throw new Error(page.error.detail);
  return page.value;
}

export const idsOf = ({ messages }: MessagePage) => messages.map(({ id }) => id);
