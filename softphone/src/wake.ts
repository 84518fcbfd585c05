/** Being woken in this browser: a switch, and words for what stands in its way. */
import type { CarillonClient } from "@carillon/sdk";
import { subscribeToWebPush, unsubscribeFromWebPush } from "@carillon/sdk/web-push";
import { type Problem, problemOf } from "./problem";

/** The browser, as far as waking goes. */
export interface WakeBrowser {
  /** Undefined where there are none, as on an iPhone whose home screen the page is not on. */
  serviceWorker: Pick<ServiceWorkerContainer, "register" | "ready"> | undefined;
  /** Asks the person, if nobody has yet. */
  permission(): Promise<NotificationPermission>;
  /** What the person has said so far. */
  granted(): boolean;
}

export interface WakeEvents {
  changed(): void;
  /** To be remembered for the next launch. */
  wanted(on: boolean): void;
}

/** A push service that cannot be reached may leave the browser waiting for ever. */
const patienceMs = 15_000;

export class Wake {
  on = false;
  busy = false;
  problem: Problem | undefined;
  readonly #client: CarillonClient;
  readonly #key: string;
  readonly #browser: WakeBrowser;
  readonly #events: WakeEvents;

  constructor(client: CarillonClient, key: string, browser: WakeBrowser, events: WakeEvents) {
    this.#client = client;
    this.#key = key;
    this.#browser = browser;
    this.#events = events;
  }

  /** At each launch where it was on: browsers change their subscriptions. Asks nobody. */
  async resume(): Promise<void> {
    if (this.#browser.granted()) await this.turnOn();
  }

  async turnOn(): Promise<void> {
    await this.#do(async () => {
      const { serviceWorker } = this.#browser;
      if (!serviceWorker) throw noPushes;
      if ((await this.#browser.permission()) !== "granted") throw refused;
      await serviceWorker.register(`/service-worker.js?key=${this.#key}`);
      const subscribed = subscribeToWebPush(this.#client, await serviceWorker.ready).then(() => {
        // It may come when nobody waits for it any more.
        this.on = true;
        this.problem = undefined;
        this.#events.wanted(true);
        this.#events.changed();
      });
      await inTime(subscribed);
    });
  }

  async turnOff(): Promise<void> {
    await this.#do(async () => {
      this.on = false;
      this.#events.wanted(false);
      const registration = await this.#browser.serviceWorker?.ready;
      if (registration) await unsubscribeFromWebPush(this.#client, registration);
    });
  }

  async #do(what: () => Promise<void>): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.problem = undefined;
    this.#events.changed();
    try {
      await what();
    } catch (thrown) {
      this.problem = wakeProblem(thrown);
    }
    this.busy = false;
    this.#events.changed();
  }
}

const noPushes = Object.freeze({
  message: "This browser takes no pushes here.",
  hint: "On an iPhone or iPad, add the page to the home screen and open it from there. Private windows take none either.",
});
const refused = Object.freeze({
  message: "Notifications are refused to this page.",
  hint: "Allow them in the site's settings, next to the address, and try again. Private windows refuse them always.",
});
const unreachable = Object.freeze({
  message: "The browser's push service cannot be reached.",
  hint: "It is the browser maker's, somewhere in the internet. Without it, the page has to stay open to be called; the phones of `npm start` show what would come.",
});

/** What went wrong, in the words of somebody who pressed a switch. */
export function wakeProblem(thrown: unknown): Problem {
  if (thrown === noPushes || thrown === refused || thrown === unreachable) return thrown as Problem;
  const { name, message } = thrown as Partial<Error>;
  if (name === "NotAllowedError") return refused;
  if (name === "AbortError" || name === "NetworkError") return unreachable;
  if (name === "NotSupportedError") return noPushes;
  const problem = problemOf(thrown);
  if (problem.code === 40400) {
    const hint =
      "Give it one: `npm run carillon -- push set webpush --app <key> --subject <mailto:…> --generate`.";
    return { ...problem, message: "The application has no key for browsers' pushes.", hint };
  }
  return problem.code ? problem : { message: message ?? String(thrown), hint: "" };
}

async function inTime<T>(doing: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(reject, patienceMs, unreachable);
  });
  return Promise.race([doing, late]).finally(() => clearTimeout(timer));
}
