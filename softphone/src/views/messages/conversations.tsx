import { useEffect, useRef } from "preact/hooks";
import { isUser } from "../../destination";
import { suggestions } from "../../link";
import { faceOf, parseRecipients, titleOf } from "../../messages/conversation";
import { type Summary, unreadTotal } from "../../messages/inbox";
import type { Post } from "../../messages/post";
import type { Phone, Session } from "../../phone";
import { shortTime } from "../../words";
import { Icon } from "../icon";
import { Offline } from "./offline";
import { Ticks } from "./ticks";

/** With whom there are messages, the last ones first; and a way to somebody else. */
export function Conversations({ phone, session }: { phone: Phone; session: Session }) {
  const { post } = session;
  const list = useRef<HTMLUListElement>(null);
  const { summaries } = post.inbox;
  const unread = unreadTotal(post.inbox);

  // Back from a conversation: the keyboard goes on from there.
  useEffect(() => {
    const from = post.left;
    if (from === undefined || document.activeElement !== document.body) return;
    for (const button of list.current?.querySelectorAll("button") ?? [])
      if (button.dataset.with === from) button.focus();
  }, [post]);

  return (
    <div class="overview">
      <div class="messages-head">
        <h2>
          Messages
          {unread > 0 && <Badge count={unread} testid="unread-total" />}
        </h2>
      </div>
      <Offline phone={phone} session={session} />
      <NewMessage post={post} />
      {summaries.length === 0 ? (
        <Nobody phone={phone} session={session} />
      ) : (
        <ul class="conversations" ref={list} aria-label="Conversations" data-testid="conversations">
          {summaries.map((summary) => (
            <Line key={summary.conversation.id} summary={summary} post={post} now={phone.now()} />
          ))}
        </ul>
      )}
    </div>
  );
}

function NewMessage({ post }: { post: Post }) {
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const people = parseRecipients(field.current?.value ?? "");
    if (people.length === 0) field.current?.focus();
    else post.openWith(people);
  };
  return (
    <form class="new-message" onSubmit={submit}>
      <label>
        Write to
        <input
          ref={field}
          data-testid="recipients"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          enterkeyhint="go"
          placeholder="bob, carol"
        />
      </label>
      <button type="submit" class="soft" data-testid="open-conversation">
        <Icon name="write" />
        Write
      </button>
    </form>
  );
}

function Nobody({ phone, session }: { phone: Phone; session: Session }) {
  const { post, user } = session;
  const people = suggestions(user, location.hostname, phone.remembered.recent).filter(isUser);
  return (
    <div class="nobody">
      <p class="quiet">No messages yet. Name several people to write to all of them.</p>
      {people.length > 0 && (
        <ul class="people" aria-label="People to write to">
          {people.map((person) => (
            <li key={person}>
              <button type="button" class="chip" onClick={() => post.openWith([person])}>
                {person}
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Line({ summary, post, now }: { summary: Summary; post: Post; now: number }) {
  const { conversation, unread, last } = summary;
  const title = titleOf(post.me, conversation);
  const typing = conversation.others.length === 1 && post.typing.among(conversation).length > 0;
  const newest = post.talk(conversation.id)?.entries.at(-1);
  const mine = newest?.senderId === post.me;
  return (
    <li>
      <button
        type="button"
        class={unread.length > 0 ? "conversation-line new" : "conversation-line"}
        data-testid="conversation-line"
        data-with={conversation.id}
        onClick={() => post.show(conversation)}
      >
        <span class="face small" aria-hidden="true">
          {faceOf(title, conversation)}
        </span>
        <span class="line-title">{title}</span>
        <time class="quiet" dateTime={new Date(last).toISOString()}>
          {shortTime(last, now)}
        </time>
        <span class="line-text quiet">
          {typing ? (
            <span>typing…</span>
          ) : (
            <>
              {newest && mine && <Ticks entry={newest} />}
              <span>{newest?.text.slice(0, 200) ?? " "}</span>
            </>
          )}
          {unread.length > 0 && <Badge count={unread.length} testid="unread" />}
        </span>
      </button>
    </li>
  );
}

function Badge({ count, testid }: { count: number; testid: string }) {
  return (
    <span class="badge" data-testid={testid} data-count={count}>
      {count > 99 ? "99+" : count}
      <span class="unseen"> unread</span>
    </span>
  );
}
