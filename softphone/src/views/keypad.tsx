import type { Call } from "@carillon/sdk";
import { useEffect, useState } from "preact/hooks";
import type { Desk } from "../desk";
import { isTyping } from "../shortcuts";

const keys = [..."123456789*0#"];

/** Sends tones; the digits of the keyboard do so too while it is open. */
export function Keypad({ call, desk }: { call: Call; desk: Desk }) {
  const [sent, setSent] = useState("");
  const send = (key: string) => {
    setSent((before) => `${before}${key}`.slice(-24));
    void desk.run(() => call.sendDTMF(key));
  };
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (keys.includes(event.key) && !isTyping(event.target)) send(event.key);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [call]);
  return (
    <fieldset class="keypad" aria-label="Keypad">
      <output aria-live="off">{sent || "\u00a0"}</output>
      {keys.map((key) => (
        <button key={key} type="button" class="soft" data-testid={`key-${key}`} onClick={() => send(key)}>
          {key}
        </button>
      ))}
    </fieldset>
  );
}
