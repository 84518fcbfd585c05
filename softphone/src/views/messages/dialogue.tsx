import type { Ref } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { faceOf, personOf, titleOf } from "../../messages/conversation";
import { unreadOf } from "../../messages/inbox";
import type { Talk } from "../../messages/talk";
import type { Phone, Session } from "../../phone";
import { Icon } from "../icon";
import { CallBar } from "./call-bar";
import { Composer } from "./composer";
import { Entries } from "./entries";
import { Offline } from "./offline";

interface Props {
  talk: Talk;
  phone: Phone;
  session: Session;
}

/** The conversation that is open. */
export function Dialogue({ talk, phone, session }: Props) {
  const { post, desk } = session;
  const { conversation } = talk;
  const list = useRef<HTMLOListElement>(null);
  const unread = unreadOf(post.inbox, conversation.id).length;
  const toEnd = () => list.current?.scrollTo({ top: list.current.scrollHeight });
  return (
    <div class="dialogue" data-testid="conversation" data-with={conversation.id}>
      <CallBar desk={desk} post={post} offline={!phone.online} />
      <Head {...{ talk, phone, session }} />
      <Offline phone={phone} session={session} />
      <Scroll list={list} {...{ talk, phone, session }} />
      {!talk.atEnd && (
        <button type="button" class="to-end" data-testid="to-end" onClick={toEnd}>
          <Icon name="down" />
          {unread > 0 ? `${unread} new` : "Newest"}
        </button>
      )}
      {conversation.application ? (
        <p class="quiet no-answer">The app cannot be answered.</p>
      ) : (
        <Composer talk={talk} post={post} onSent={toEnd} />
      )}
    </div>
  );
}

function Head({ talk, session }: Props) {
  const { post, desk } = session;
  const { conversation } = talk;
  const title = useRef<HTMLHeadingElement>(null);
  const name = titleOf(post.me, conversation);
  const person = personOf(post.me, conversation);
  const typers = post.typing.among(conversation);
  // Where a keyboard would cover half of the screen, it waits to be asked for.
  useEffect(() => {
    if (conversation.application || matchMedia("(pointer: coarse)").matches) title.current?.focus();
  }, [conversation]);
  const call = (video: boolean) => {
    if (person) void desk.place(person, video);
  };
  return (
    <div class="messages-head">
      <button
        type="button"
        class="plain"
        aria-label="All conversations"
        title="All conversations"
        data-testid="back"
        onClick={() => post.leave()}
      >
        <Icon name="back" />
      </button>
      <span class="face small" aria-hidden="true">
        {faceOf(name, conversation)}
      </span>
      <div class="dialogue-who">
        <h2 ref={title} tabIndex={-1} title={name} data-testid="conversation-title">
          {name}
        </h2>
        <p class="quiet" role="status" data-testid="typing">
          {typers.length > 0 && `${typers.join(", ")} ${typers.length > 1 ? "are" : "is"} typing…`}
        </p>
      </div>
      {person && (
        <>
          <button
            type="button"
            class="plain"
            aria-label={`Call ${person}`}
            title={`Call ${person}`}
            data-testid="conversation-call"
            onClick={() => call(false)}
          >
            <Icon name="phone" />
          </button>
          <button
            type="button"
            class="plain"
            aria-label={`Video call with ${person}`}
            title={`Video call with ${person}`}
            data-testid="conversation-video-call"
            onClick={() => call(true)}
          >
            <Icon name="video" />
          </button>
        </>
      )}
    </div>
  );
}

/** Follows the newest message, unless somebody reads further up: then what is read stays in place. */
function Scroll({
  list,
  talk,
  phone,
  session,
}: Props & { list: Ref<HTMLOListElement> & { current: HTMLOListElement | null } }) {
  const { post } = session;
  const { visible } = talk;
  const before = useRef({ first: visible[0], height: 0, top: 0 });

  useLayoutEffect(() => {
    const box = list.current;
    if (!box) return;
    const { first, height, top } = before.current;
    if (talk.atEnd) box.scrollTop = box.scrollHeight;
    // Earlier messages came above.
    else if (visible[0] !== first) box.scrollTop = top + box.scrollHeight - height;
    before.current = { first: visible[0], height: box.scrollHeight, top: box.scrollTop };
  });
  // The keyboard of a phone, or a call that comes in, takes some of its height.
  useEffect(() => {
    const box = list.current;
    if (!box) return;
    const observer = new ResizeObserver(() => {
      if (talk.atEnd) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [talk]);

  const scrolled = () => {
    const box = list.current;
    if (!box) return;
    before.current.top = box.scrollTop;
    post.scrolled(talk, box.scrollTop + box.clientHeight > box.scrollHeight - 40);
    if (box.scrollTop < 60 && !talk.atEnd && talk.hasEarlier && !talk.problem) void post.earlier(talk);
  };
  return (
    <ol
      ref={list}
      class="entries"
      data-testid="entries"
      aria-label={`Messages with ${titleOf(post.me, talk.conversation)}`}
      aria-busy={talk.loading}
      // Reached by keyboard, to scroll it.
      // biome-ignore lint/a11y/noNoninteractiveTabindex: WCAG 2.1.1, a region that scrolls
      tabIndex={0}
      onScroll={scrolled}
    >
      <Beginning talk={talk} session={session} />
      <Entries entries={visible} post={post} now={phone.now()} />
    </ol>
  );
}

function Beginning({ talk, session: { post } }: Pick<Props, "talk" | "session">) {
  const { loading, problem, hasEarlier, entries } = talk;
  if (problem) {
    return (
      <li class="beginning" data-testid="history-problem">
        <span>Earlier messages did not come: {problem.message}</span>
        <button type="button" class="soft" onClick={() => post.retry(talk)}>
          Try again
        </button>
      </li>
    );
  }
  if (hasEarlier) {
    return (
      <li class="beginning">
        <button
          type="button"
          class="soft"
          data-testid="earlier"
          aria-disabled={loading}
          onClick={() => post.earlier(talk)}
        >
          {loading ? "Loading…" : "Earlier messages"}
        </button>
      </li>
    );
  }
  return (
    <li class="beginning quiet" data-testid="beginning">
      {loading ? "Loading…" : entries.length === 0 ? "No messages yet." : "Messages are kept for 30 days."}
    </li>
  );
}
