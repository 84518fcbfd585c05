import { useEffect, useRef, useState } from "preact/hooks";
import type { Post } from "../../messages/post";
import type { Talk } from "../../messages/talk";
import { Icon } from "../icon";

/** Where a message is written. What is not sent yet stays with its conversation. */
export function Composer({ talk, post, onSent }: { talk: Talk; post: Post; onSent(): void }) {
  const [text, setText] = useState(talk.draft);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    if (matchMedia("(pointer: fine)").matches) field.current?.focus();
  }, []);

  const write = (now: string) => {
    talk.draft = now;
    setText(now);
  };
  const send = async () => {
    if (talk.draft.trim() === "") {
      field.current?.focus();
      return;
    }
    const sending = talk.draft;
    write("");
    field.current?.focus();
    onSent();
    // It comes back when it cannot go out, unless the next one is being written already.
    if (!(await post.write(talk, sending)) && talk.draft === "") write(sending);
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <label class="unseen" for="composer">
        Message. Enter sends, Shift and Enter begin a new line.
      </label>
      <textarea
        ref={field}
        id="composer"
        data-testid="composer"
        rows={1}
        dir="auto"
        enterkeyhint="send"
        placeholder="Message"
        value={text}
        onInput={(event) => {
          write(event.currentTarget.value);
          if (event.currentTarget.value !== "") post.typed(talk);
        }}
        onKeyDown={(event) => {
          // Not the Enter that ends the composing of a character; Safari tells that by its code alone.
          const composing = event.isComposing || event.keyCode === 229;
          if (event.key !== "Enter" || event.shiftKey || composing) return;
          event.preventDefault();
          void send();
        }}
      />
      <button type="submit" class="plain send" aria-label="Send" title="Send" data-testid="send">
        <Icon name="send" />
      </button>
    </form>
  );
}
