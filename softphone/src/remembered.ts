/** What the page remembers between visits. Never a token or a secret. */
export interface Remembered {
  key: string;
  user: string;
  /** The people called or heard from last, newest first. */
  recent: string[];
  theme: Theme;
  /** What others see when this person calls; empty for the user id. */
  name: string;
  /** This browser is to be woken for calls and messages. */
  wake: boolean;
}

export type Theme = "auto" | "light" | "dark";

const place = "carillon.softphone";
const most = 6;
const nothing: Remembered = { key: "", user: "", recent: [], theme: "auto", name: "", wake: false };

/** Reads what was remembered; anything unreadable counts as never written. */
export function recall(storage: Pick<Storage, "getItem">): Remembered {
  try {
    const stored: unknown = JSON.parse(storage.getItem(place) ?? "null");
    if (typeof stored !== "object" || stored === null) return { ...nothing };
    const { key, user, recent, theme, name, wake } = stored as Partial<Record<keyof Remembered, unknown>>;
    return {
      key: typeof key === "string" ? key : "",
      user: typeof user === "string" ? user : "",
      recent: Array.isArray(recent) ? recent.filter((one) => typeof one === "string").slice(0, most) : [],
      theme: theme === "light" || theme === "dark" ? theme : "auto",
      name: typeof name === "string" ? name : "",
      wake: wake === true,
    };
  } catch {
    return { ...nothing };
  }
}

/** Keeps it. A browser that refuses storage costs the comfort, not the call. */
export function remember(storage: Pick<Storage, "setItem">, what: Remembered): void {
  try {
    storage.setItem(place, JSON.stringify(what));
  } catch {}
}

/** The list of recent people with this one in front. */
export function withRecent(recent: readonly string[], person: string): string[] {
  return [person, ...recent.filter((one) => one !== person)].slice(0, most);
}
