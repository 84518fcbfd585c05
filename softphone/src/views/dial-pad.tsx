import { Icon } from "./icon";

const keys = [..."123456789+0"];

interface Props {
  press(key: string): void;
  back(): void;
}

/** Digits for whoever has no keyboard at hand; the keyboard writes into the field itself. */
export function DialPad({ press, back }: Props) {
  return (
    <fieldset class="keypad" aria-label="Dial pad">
      {keys.map((key) => (
        <button key={key} type="button" class="soft" data-testid={`dial-${key}`} onClick={() => press(key)}>
          {key}
        </button>
      ))}
      <button
        type="button"
        class="soft"
        aria-label="Delete the last one"
        data-testid="dial-back"
        onClick={back}
      >
        <Icon name="erase" />
      </button>
    </fieldset>
  );
}
