/** A start under way: it settles in every case, and the time that the app takes for credentials is its own. */
import { Alarm } from "./alarm";
import { type CarillonError, makeError, toError } from "./errors";
import type { Credentials, Registration } from "./registration";
import type { Runtime } from "./runtime";

/** Milliseconds. An enum: a bundler puts the numbers in their places. */
enum timers {
  start = 15_000,
  credentials = 30_000,
}

export class Starting {
  /** What the start that is under way comes to. */
  promise: Promise<void> | undefined;

  readonly #runtime: Runtime;
  readonly #expired: (error: CarillonError) => void;
  #settle: ((error?: CarillonError) => void) | undefined;
  readonly #deadline: Alarm;

  /** `expired`: the time is over, and the start is to be settled. */
  constructor(runtime: Runtime, expired: (error: CarillonError) => void) {
    this.#runtime = runtime;
    this.#expired = expired;
    this.#deadline = new Alarm(runtime);
  }

  begin(): Promise<void> {
    this.promise = new Promise((resolve, reject) => {
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    this.#setDeadline();
    return this.promise;
  }

  settle(error?: CarillonError): void {
    this.#deadline.clear();
    this.promise = undefined;
    this.#settle?.(error);
  }

  /**
   * Asks the app for credentials, also when nothing starts: the server may refuse the instance later.
   * `show` is false when nobody would answer.
   */
  ask(show: (answer: Pick<Registration, "register" | "registerFailed">) => boolean): Promise<Credentials> {
    this.#deadline.clear();
    return new Promise((resolve, reject) => {
      const expiry = new Alarm(this.#runtime);
      const settle = (finish: () => void) => {
        expiry.clear();
        if (this.promise) this.#setDeadline();
        finish();
      };
      const registerFailed = (error?: unknown) =>
        settle(() => reject(toError(error ?? makeError("credentialsRequired"), "credentialsRequired")));
      expiry.set(timers.credentials, registerFailed);
      const heard = show({
        register: (credentials) => settle(() => resolve(credentials)),
        registerFailed,
      });
      if (!heard) registerFailed();
    });
  }

  #setDeadline(): void {
    this.#deadline.set(timers.start, () => this.#expired(makeError("networkLost")));
  }
}
