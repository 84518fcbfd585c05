import { type Entry, markOf, markWords } from "../../messages/thread";
import { Icon } from "../icon";

/** A clock, one tick, two ticks, two coloured ones: as far as a message has come. */
export function Ticks({ entry }: { entry: Entry }) {
  const mark = markOf(entry);
  const words = markWords(entry);
  return (
    <span class={`ticks ${mark}`} role="img" aria-label={words} title={words} data-testid="ticks">
      <Icon name={mark} />
    </span>
  );
}
