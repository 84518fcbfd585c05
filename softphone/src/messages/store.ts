/** Keeps the list of conversations in the browser, for all tabs of a user. */
import { emptyInbox, type Inbox, readInbox, writeInbox } from "./inbox";

export class InboxStore {
  inbox: Inbox = emptyInbox;
  /** As it was last read or written here. */
  #text: string | null = null;
  readonly #me: string;
  readonly #storage: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  readonly #name: string;

  constructor(me: string, storage: Pick<Storage, "getItem" | "setItem" | "removeItem">, name: string) {
    this.#me = me;
    this.#storage = storage;
    this.#name = name;
    this.read();
  }

  read(): void {
    const text = this.#attempt(() => this.#storage.getItem(this.#name)) ?? null;
    if (text === this.#text) return;
    this.#text = text;
    this.inbox = readInbox(this.#me, text);
  }

  /** Upon what is there now: another tab may have written since. */
  change(edit: (inbox: Inbox) => Inbox): void {
    this.read();
    this.inbox = edit(this.inbox);
    const text = writeInbox(this.inbox);
    if (text === this.#text) return;
    this.#attempt(() => {
      this.#storage.setItem(this.#name, text);
      this.#text = text;
    });
  }

  clear(): void {
    this.#attempt(() => this.#storage.removeItem(this.#name));
    this.#text = null;
    this.inbox = emptyInbox;
  }

  /** A browser that refuses storage costs the memory, not the messages. */
  #attempt<T>(action: () => T): T | undefined {
    try {
      return action();
    } catch {
      return undefined;
    }
  }
}
