import { useEffect, useRef } from "preact/hooks";
import type { Phone } from "../phone";
import { shortcuts } from "../shortcuts";

export function Help({ phone }: { phone: Phone }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const closed = () => {
    phone.helpShown = false;
    phone.changed();
  };
  return (
    <dialog ref={dialog} aria-labelledby="help-title" data-testid="help" onClose={closed}>
      <h2 id="help-title">Keyboard shortcuts</h2>
      <dl class="shortcuts">
        {shortcuts.map(({ key, words }) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
      <p class="quiet">
        They rest while you type in a field. Enter in “Who to call” calls. Enter sends a message, Shift and
        Enter begin a new line in it.
      </p>
      <form method="dialog">
        <button type="submit" class="soft">
          Close
        </button>
      </form>
    </dialog>
  );
}
