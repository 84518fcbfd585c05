import { useEffect, useRef } from "preact/hooks";
import type { Phone, Session } from "../phone";
import { Code } from "./code";

/** What others see of this person, and whether this browser is woken for them. */
export function Settings({ phone, session }: { phone: Phone; session: Session }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const closed = () => {
    phone.settingsShown = false;
    phone.changed();
  };
  const { on, busy, problem } = session.wake;
  return (
    <dialog ref={dialog} aria-labelledby="settings-title" data-testid="settings-dialog" onClose={closed}>
      <h2 id="settings-title">{session.user} in this browser</h2>
      <div class="settings">
        <label>
          Your name
          <input
            data-testid="display-name"
            autocomplete="name"
            maxLength={60}
            placeholder={session.user}
            defaultValue={phone.remembered.name}
            onChange={(event) => phone.setName(event.currentTarget.value)}
          />
          <span class="quiet">Shown to those whom you call or write to, before they answer.</span>
        </label>
        <div>
          <button
            type="button"
            class="switch"
            role="switch"
            aria-checked={on}
            aria-describedby="wake-words"
            aria-busy={busy}
            disabled={busy}
            data-testid="wake"
            data-on={on}
            onClick={() => (on ? session.wake.turnOff() : session.wake.turnOn())}
          >
            Wake this browser
          </button>
          <p id="wake-words" class="quiet">
            {busy
              ? "Asking the browser's push service …"
              : "Calls and messages come as notifications while no page of the softphone is open."}
          </p>
        </div>
        {problem && (
          <div class="notice problem" role="alert" data-testid="wake-problem" data-code={problem.code}>
            <div>
              <p>
                <strong>{problem.message}</strong>
              </p>
              <p>
                <Code text={problem.hint} />
              </p>
            </div>
          </div>
        )}
      </div>
      <form method="dialog">
        <button type="submit" class="soft">
          Close
        </button>
      </form>
    </dialog>
  );
}
