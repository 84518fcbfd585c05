import { formatMoney } from "@carillon/sdk/credits";
import { useEffect, useRef, useState } from "preact/hooks";
import { erased, typed } from "../caret";
import { addressOf, isUser, type Kind, kindOf, problemWith, staysChosen, testNumber } from "../destination";
import { suggestions } from "../link";
import type { Phone, Session } from "../phone";
import { DialPad } from "./dial-pad";
import { Icon } from "./icon";

const kinds = [
  { kind: "user", words: "User" },
  { kind: "phone", words: "Phone" },
  { kind: "sip", words: "SIP" },
  { kind: "conference", words: "Conference" },
] as const;

const placeholders: Record<Kind, string> = {
  user: "User id, +number, SIP address, #conference",
  phone: "+46701234567",
  sip: "somebody@example.com",
  conference: "#team",
};

export function Dial({ phone, session }: { phone: Phone; session: Session }) {
  const field = useRef<HTMLInputElement>(null);
  const { desk, balance } = session;
  const people = suggestions(session.user, location.hostname, phone.remembered.recent);
  const first = people[0] ?? "";
  const [text, setText] = useState(plain(first));
  /** The person knows better than what was typed says; of one that is remembered, as long as it stands there. */
  const [chosen, setChosen] = useState<Chosen | undefined>(first ? chosenOf(first) : undefined);
  const [padShown, setPadShown] = useState(false);
  const kind = chosen && (chosen.only ?? text) === text ? chosen.kind : kindOf(text);
  const problem = problemWith(text, kind);
  const { credits } = balance;

  useEffect(() => {
    if (kind === "phone" || kind === "sip" || padShown) balance.want();
  }, [kind, padShown, balance]);

  const write = (next: string) => {
    setText(next);
    if (!staysChosen(text, next)) setChosen(undefined);
  };
  /** As if it came from the keyboard: the caret goes on from where it is. */
  const edit = (how: typeof erased) => {
    const input = field.current;
    if (!input) return;
    const end = input.selectionEnd ?? text.length;
    const next = how(text, input.selectionStart ?? end, end);
    input.value = next.text;
    input.setSelectionRange(next.caret, next.caret);
    write(next.text);
  };
  const call = (video: boolean) => {
    const address = addressOf(text, kind);
    // What is wrong stands below the field.
    if (address && !problem) void desk.place(address, video, kind);
    else field.current?.focus();
  };

  return (
    <form
      class="card dial"
      onSubmit={(event) => {
        event.preventDefault();
        call(false);
      }}
    >
      <div class="dial-head">
        <label for="callee">Who to call</label>
        {credits && (
          <span class="quiet" data-testid="balance">
            Balance {formatMoney({ currency: credits.currency, amount: credits.balance })}
          </span>
        )}
      </div>
      <div class="dial-field">
        <input
          ref={field}
          id="callee"
          data-testid="callee"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          enterkeyhint="go"
          placeholder={placeholders[kind]}
          aria-describedby="dial-hint"
          value={text}
          onInput={(event) => write(event.currentTarget.value)}
        />
        <button
          type="button"
          class="plain"
          title="Dial pad"
          aria-label="Dial pad"
          aria-pressed={padShown}
          data-testid="dial-pad"
          onClick={() => setPadShown(!padShown)}
        >
          <Icon name="keypad" />
        </button>
      </div>
      <fieldset class="kinds" aria-label="What this is">
        {kinds.map(({ kind: one, words }) => (
          <button
            key={one}
            type="button"
            class="chip"
            aria-pressed={one === kind}
            data-testid={`kind-${one}`}
            onClick={() => setChosen({ kind: one })}
          >
            {words}
          </button>
        ))}
      </fieldset>
      <p id="dial-hint" class="quiet" data-testid="dial-hint" aria-live="polite">
        {problem ?? hintOf(kind, text, () => write(testNumber))}
      </p>
      {padShown && (
        <DialPad
          press={(key) => edit((text, start, end) => typed(text, start, end, key))}
          back={() => edit(erased)}
        />
      )}
      <div class="pair">
        <button type="submit" class="primary" data-testid="call">
          <Icon name={kind === "conference" ? "people" : "phone"} />
          {kind === "conference" ? "Join" : "Call"}
        </button>
        {kind !== "phone" && (
          <button type="button" class="soft" data-testid="video-call" onClick={() => call(true)}>
            <Icon name="video" />
            {kind === "conference" ? "With video" : "Video call"}
          </button>
        )}
      </div>
      {people.length > 0 && (
        <ul class="people" aria-label="People">
          {people.map((person) => (
            <li key={person}>
              <button
                type="button"
                class="chip"
                onClick={() => {
                  setText(plain(person));
                  setChosen(chosenOf(person));
                  field.current?.focus();
                }}
              >
                {plain(person)}
              </button>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}

interface Chosen {
  kind: Kind;
  /** Of this text alone. */
  only?: string;
}

const chosenOf = (one: string): Chosen => ({ kind: kindOfRemembered(one), only: plain(one) });
const kindOfRemembered = (one: string): Kind => (isUser(one) ? "user" : kindOf(one));
/** As it is typed. */
const plain = (one: string) => (one.startsWith("#") ? one : addressOf(one, kindOfRemembered(one)));

function hintOf(kind: Kind, text: string, take: () => void) {
  if (kind === "conference") return "Whoever joins the same name talks to each other.";
  if (kind !== "phone") return undefined;
  if (text === testNumber) return "The test number answers by itself, says so, and costs nothing.";
  return (
    <>
      To try it:{" "}
      <button type="button" class="link" data-testid="test-number" onClick={take}>
        {testNumber}
      </button>{" "}
      answers by itself and is free.
    </>
  );
}
