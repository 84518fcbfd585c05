/** Credentials and tokens for pushes, kept in the Worker's memory so that a push waits neither for D1 nor for an object. */
import { loadPushCredentials, type StoredPushCredential } from "../../core/push/credential-store";
import type { VapidCredential } from "../../core/push/credentials";
import { providerKeyName, type TokenCredential } from "../../core/push/provider-token";
import { vapidToken } from "../../core/push/web-push";
import type { Env } from "../../durable-objects/env";
import { pushCredential } from "../../durable-objects/names";
import type { ProviderToken } from "../../durable-objects/push-credential/rpc";
import { ok } from "../../protocol";
import { storeOf } from "../context";
import { Remembered } from "./remembered";

/** So long other locations may go by a credential that was replaced. */
const credentialsMs = 10_000;

/** One of each for the isolate. */
const credentials = new Remembered<StoredPushCredential[]>(200);
const providerTokens = new Remembered<{ token: string; goodUntil: number }>(1_000);
const vapidTokens = new Remembered<string>(1_000);

/** After an upload or a removal, so that this location goes by it at once. */
export function forgetPushCredentials(applicationKey: string): void {
  credentials.forget(applicationKey);
}

/**
 * The keys for one run of pushes. What is under way is shared within the run alone: a Worker's
 * request that is given up takes its reads with it, and nobody else may wait for them.
 */
export class PushKeys {
  readonly #underWay = new Map<string, Promise<unknown>>();
  /** What was read because somebody was refused serves all who are: one of 40 devices in a batch. */
  readonly #fresh = new Map<string, Promise<StoredPushCredential[]>>();

  constructor(
    private readonly env: Env,
    private readonly reference: string,
    private readonly now: () => number,
  ) {}

  /** Newest first. `fresh`: as they are now, not as they were in the last 10 seconds. */
  async credentials(applicationKey: string, fresh = false): Promise<StoredPushCredential[]> {
    if (!fresh) {
      const known = credentials.get(applicationKey, this.now());
      return known ?? this.#once(`credentials ${applicationKey}`, () => this.#load(applicationKey));
    }
    const known = this.#fresh.get(applicationKey);
    if (known) return known;
    const loading = this.#load(applicationKey);
    this.#fresh.set(applicationKey, loading);
    return loading;
  }

  async #load(applicationKey: string): Promise<StoredPushCredential[]> {
    const until = this.now() + credentialsMs;
    const asked = credentials.ask(applicationKey);
    const loaded = await loadPushCredentials(storeOf(this.env), applicationKey);
    credentials.keepAsked(asked, applicationKey, loaded, until);
    return loaded;
  }

  /**
   * The token to show beside a push. `refused`: the provider does not take this one; the answer is
   * the same again where another may not be made yet.
   *
   * Errors: invalidValue (the key is refused by the provider), unavailable.
   */
  async providerToken(credential: TokenCredential, refused?: string): Promise<ProviderToken> {
    const name = await providerKeyName(credential);
    return this.#once(`token ${name} ${refused}`, async () => {
      const known = providerTokens.get(name, this.now());
      if (known && known.token !== refused) return ok(known);
      const request = { credential, refused, reference: this.reference };
      const made = await pushCredential(this.env, name).token(request);
      if (made.ok) providerTokens.keep(name, made.value, made.value.goodUntil);
      return made;
    });
  }

  vapidToken(credential: VapidCredential, endpoint: string): Promise<string> {
    const { publicKey, subject } = credential;
    const name = `vapid ${publicKey} ${subject} ${new URL(endpoint).origin}`;
    return this.#once(name, async () => {
      const known = vapidTokens.get(name, this.now());
      if (known) return known;
      const { token, goodUntil } = await vapidToken(credential, endpoint, this.now());
      vapidTokens.keep(name, token, goodUntil);
      return token;
    });
  }

  #once<T>(what: string, work: () => Promise<T>): Promise<T> {
    const known = this.#underWay.get(what);
    if (known) return known as Promise<T>;
    const made = work().finally(() => this.#underWay.delete(what));
    this.#underWay.set(what, made);
    return made;
  }
}
