import type { Phone, Session } from "../../phone";
import { Conversations } from "./conversations";
import { Dialogue } from "./dialogue";

/** The messages: the list of conversations, or the one that is open. */
export function Messages({ phone, session }: { phone: Phone; session: Session }) {
  const { post } = session;
  return (
    <section class="card messages" aria-label="Messages" data-testid="messages">
      {post.open ? (
        <Dialogue key={post.open.conversation.id} talk={post.open} phone={phone} session={session} />
      ) : (
        <Conversations phone={phone} session={session} />
      )}
      <p class="unseen" aria-live="polite" data-testid="announcement">
        {post.announcement}
      </p>
    </section>
  );
}
