/** The event log: what the SDK said, in the order it said it, as text that can be pasted into a report. */
export interface Entry {
  id: number;
  /** Milliseconds since 1970. */
  time: number;
  /** `client`, `call`, or the area of an SDK log message. */
  area: string;
  text: string;
  level: "debug" | "info" | "warn" | "error";
}

/** Older entries make room: a day of calls does not fill the page. */
const most = 1_000;

export class EventLog {
  entries: Entry[] = [];
  #next = 1;
  readonly #now: () => number;
  readonly #changed: () => void;

  constructor(now: () => number, changed: () => void) {
    this.#now = now;
    this.#changed = changed;
  }

  add(area: string, text: string, level: Entry["level"] = "info"): void {
    const entry = { id: this.#next++, time: this.#now(), area, text, level };
    this.entries = [...this.entries.slice(-(most - 1)), entry];
    this.#changed();
  }

  clear(): void {
    this.entries = [];
    this.#changed();
  }
}

/** The entries that hold every word of the filter, wherever, in any case. */
export function filtered(entries: readonly Entry[], filter: string): readonly Entry[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return entries;
  return entries.filter((entry) => {
    const text = `${entry.area} ${entry.level} ${entry.text}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** One line each, UTC: logs of two parties can be put side by side. */
export function asText(entries: readonly Entry[]): string {
  return entries
    .map(({ time, level, area, text }) => `${new Date(time).toISOString()} ${level} ${area}: ${text}\n`)
    .join("");
}

/** The time of day with milliseconds, `14:03:07.250`. */
export function clock(time: number): string {
  const at = new Date(time);
  const two = (value: number) => String(value).padStart(2, "0");
  const seconds = `${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, "0")}`;
  return `${two(at.getHours())}:${two(at.getMinutes())}:${seconds}`;
}
