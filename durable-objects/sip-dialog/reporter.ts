import type { LineNews } from "../../core/calls/line";
import { within } from "../../core/within";
import type { CallOperation } from "../../protocol";
import type { CallSession } from "../call-session/call-session";
import { type Ending, type LegData, partyOf } from "./leg-data";

/** A session that does not answer for so long counts as one that cannot be reached. */
const sessionMs = 10_000;

/** What a session says, or an error. */
export async function inTime<T>(ask: () => Promise<T>): Promise<T> {
  return within(sessionMs, ask());
}

type Session = Pick<DurableObjectStub<CallSession>, "line" | "operate" | "isOn">;

interface Means {
  leg(): LegData | undefined;
  session(): Session;
  clock(): number;
  /** There is something to be tried again. */
  wake(): void;
  /** The session says that the call is over. */
  gone(ending: Ending): void;
  /** Something was told. */
  told(): void;
  log(level: "info" | "warn", event: string, fields: Record<string, string | number>): void;
}

/** Tells the session what happens on the line, one thing after the other and none lost. */
export class Reporter {
  readonly #means: Means;
  /** What is not worth storing: should it get lost, the INVITE is sent again and brings it again. */
  #progress: LineNews[] = [];
  #telling = false;
  #failures = 0;
  #retryAt: number | null = null;

  constructor(means: Means) {
    this.#means = means;
  }

  /** When the session, which could not be reached, is to be told again. */
  get retryAt(): number | null {
    return this.#retryAt;
  }

  say(news: LineNews): void {
    this.#progress.push(news);
    this.tell();
  }

  /** Tells what there is to tell, unless that is being done, or waits for its time. */
  tell(): void {
    if (this.#telling || (this.#retryAt !== null && this.#means.clock() < this.#retryAt)) return;
    this.#telling = true;
    this.#retryAt = null;
    void this.#tellAll();
  }

  async #tellAll(): Promise<void> {
    for (;;) {
      const next = this.#next();
      if (!next) break;
      try {
        await next();
        this.#failures = 0;
      } catch (error) {
        this.#failures += 1;
        this.#means.log("warn", "sip.tell.failed", { attempt: this.#failures, error: String(error) });
        if (this.#failures % 3 !== 0) continue;
        this.#retryAt = this.#means.clock() + Math.min(30_000, 500 * 2 ** (this.#failures / 3));
        this.#means.wake();
        break;
      }
    }
    // At once: what is said in this very turn is told, too.
    this.#telling = false;
  }

  /** The first of what is to be told, in the order in which it happened. */
  #next(): (() => Promise<void>) | undefined {
    const leg = this.#means.leg();
    if (!leg) return undefined;
    const { over, talk, outbox, dial } = leg;
    // It has ended the call itself.
    if (over && !over.news) return undefined;
    const [progress] = this.#progress;
    if (progress) return () => this.#line(leg, progress, () => this.#progress.shift());
    if (talk?.news) {
      const { news } = talk;
      return () => this.#line(leg, news, () => delete talk.news);
    }
    const [first] = outbox;
    if (first) return () => this.#operate(leg, first, dial.reference);
    const news = over?.news;
    return news && (() => this.#line(leg, news, () => delete over.news));
  }

  async #line(leg: LegData, news: LineNews, done: () => unknown): Promise<void> {
    const answer = await inTime(async () => this.#means.session().line(partyOf(leg.dial), news));
    done();
    this.#means.told();
    if (!answer.ok && !leg.over) this.#means.gone({ farewell: true });
  }

  async #operate(
    leg: LegData,
    { n, op }: { n: number; op: CallOperation },
    reference: string,
  ): Promise<void> {
    const from = partyOf(leg.dial);
    const { callId } = leg.dial;
    const session = this.#means.session();
    const said = { from, callId, n, ack: leg.heard, op, reference };
    const answer = await inTime(async () => session.operate(said));
    // Refused for what it is, or because there is no call any more.
    const over = !answer.ok && !(await inTime(async () => session.isOn()));
    leg.outbox.shift();
    this.#means.told();
    if (over && !leg.over) this.#means.gone({ farewell: true });
  }
}
