import { useRef } from "preact/hooks";
import { suggestions } from "../link";
import type { Phone, Session } from "../phone";
import { Icon } from "./icon";

export function Dial({ phone, session }: { phone: Phone; session: Session }) {
  const callee = useRef<HTMLInputElement>(null);
  const { desk } = session;
  const people = suggestions(session.user, location.hostname, phone.remembered.recent);

  const call = (video: boolean) => {
    const person = callee.current?.value.trim();
    if (person) void desk.place(person, video);
    else callee.current?.focus();
  };

  return (
    <form
      class="card dial"
      onSubmit={(event) => {
        event.preventDefault();
        call(false);
      }}
    >
      <label>
        Who to call
        <input
          ref={callee}
          data-testid="callee"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          enterkeyhint="go"
          placeholder="User id"
          defaultValue={people[0] ?? ""}
        />
      </label>
      <div class="pair">
        <button type="submit" class="primary" data-testid="call">
          <Icon name="phone" />
          Call
        </button>
        <button type="button" class="soft" data-testid="video-call" onClick={() => call(true)}>
          <Icon name="video" />
          Video call
        </button>
      </div>
      {people.length > 0 && (
        <ul class="people" aria-label="People">
          {people.map((person) => (
            <li key={person}>
              <button
                type="button"
                class="chip"
                onClick={() => {
                  if (!callee.current) return;
                  callee.current.value = person;
                  callee.current.focus();
                }}
              >
                {person}
              </button>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}
