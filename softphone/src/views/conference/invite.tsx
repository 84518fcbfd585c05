import { useRef, useState } from "preact/hooks";
import type { Conference } from "../../conference/conference";
import type { Desk } from "../../desk";
import { addressOf, kindOf, problemWith } from "../../destination";
import { invitationWords } from "../../words";
import { Icon } from "../icon";

/** Calls somebody in: a user, a phone, or a SIP address. */
export function Invite({ desk, conference, video }: { desk: Desk; conference: Conference; video: boolean }) {
  const [text, setText] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const kind = kindOf(text);
  const problem = kind === "conference" ? "A conference cannot be invited." : problemWith(text, kind);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const address = addressOf(text, kind);
    if (problem || kind === "conference" || address === "") return field.current?.focus();
    void desk.run(() => {
      conference.invite(address, kind, video);
      setText("");
    });
  };
  return (
    <form class="invite" onSubmit={submit}>
      <label for="invited">Whom to invite</label>
      <div class="dial-field">
        <input
          ref={field}
          id="invited"
          data-testid="invited"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          enterkeyhint="go"
          placeholder="User id, +number, or SIP address"
          aria-describedby="invite-hint"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="soft" data-testid="invite-them">
          Invite
        </button>
      </div>
      <p id="invite-hint" class="quiet" data-testid="invite-hint" aria-live="polite">
        {problem}
      </p>
    </form>
  );
}

/** What becomes of those who were invited. */
export function Invitations({ desk, conference }: { desk: Desk; conference: Conference }) {
  if (conference.invitations.length === 0) return null;
  return (
    <ul class="invitations" aria-label="Invitations" aria-live="polite">
      {conference.invitations.map(({ id, to, told }) => (
        <li key={id} data-testid="invitation" data-to={to} data-state={told?.state ?? "sent"}>
          <span>
            <strong>{to}</strong> {invitationWords(told)}
          </span>
          {told?.state === "ended" && (
            <button
              type="button"
              class="plain"
              aria-label={`Dismiss: ${to}`}
              title="Dismiss"
              data-testid="forget-invitation"
              onClick={() => desk.run(() => conference.forget(id))}
            >
              <Icon name="close" />
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
