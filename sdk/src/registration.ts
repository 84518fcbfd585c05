/** The instance: how it is registered once, kept, renewed and forgotten. SPEC section 1. */
import type { ErrorBody, RegistrationRequest, RegistrationResult } from "../../protocol";
import { CarillonError, isUnauthorized, makeError, must } from "./errors";
import type { Log } from "./log";
import type { Runtime } from "./runtime";
import { SharedValue } from "./shared-value";
import type { CarillonStorage } from "./storage";
import { locked } from "./tabs";
import { parse } from "./values";

/** What the app's server gives: a signature of scheme 2, or a token (JWT) of scheme 3. */
export type Credentials = { signature: string; sequence: number | string } | { token: string };

/** Given to `credentialsRequired`: exactly one of its functions is to be called, once. */
export interface Registration {
  userId: string;
  applicationKey: string;
  register(credentials: Credentials): void;
  registerFailed(error?: unknown): void;
}

/** An instance's credentials, as they are stored. */
export interface Instance {
  instanceId: string;
  instanceToken: string;
  /** Milliseconds since 1970, both. */
  expires: number;
  issued: number;
}

export interface RegistrarOptions {
  runtime: Runtime;
  log: Log;
  storage: CarillonStorage;
  /** `https://host` */
  baseUrl: string;
  applicationKey: string;
  userId: string;
  deviceId?: string;
  applicationSecret?: string;
  /** Shows the event to the app. Rejects when nobody answers it. */
  askApp(): Promise<Credentials>;
}

export class Registrar {
  readonly #options: RegistrarOptions;
  /** Where the credentials are kept; what else is kept for this user has a name that begins so. */
  readonly key: string;
  /** Logged out here, and perhaps not on the server. Of all users of the device: the next one is another, often. */
  readonly #leaving: SharedValue<Instance[]>;
  #instance: Instance | undefined;

  constructor(options: RegistrarOptions) {
    this.#options = options;
    const host = `carillon:${options.baseUrl}:`;
    this.key = `${host}${options.applicationKey}:${options.userId}`;
    this.#leaving = new SharedValue(options, `${host}leaving`);
  }

  /** The instance: from memory, from storage, or registered now. */
  async ensure(): Promise<Instance> {
    // A failure is left to the next connection: who logged out has heard of it.
    if (!this.#instance) await this.#leave().catch(() => {});
    return (await this.known()) ?? this.#locked(() => this.#register());
  }

  /** Renews what the server refused; when that is refused too, registers anew. */
  async replace(): Promise<void> {
    const refused = this.#instance;
    await this.#locked(async () => {
      const stored = await this.#stored();
      // Another tab has mended it while this one waited.
      if (stored && refused && stored.instanceToken !== refused.instanceToken) return;
      if (stored && (await this.#renew(stored).catch(ifNotRefused))) return;
      await this.#drop();
      await this.#register();
    });
  }

  /** In the background: what a log-out has left, and a renewal once half of the instance's life is over. */
  renewIfDue(): void {
    this.#leave().catch(() => {});
    const instance = this.#instance;
    const { runtime, log } = this.#options;
    if (!instance || runtime.now() < (instance.issued + instance.expires) / 2) return;
    this.#locked(() => this.#renew(instance)).catch((error: unknown) =>
      log("warning", "registration", `Not renewed: ${error}`),
    );
  }

  /** Forgets the instance here, and revokes it on the server: later, when that cannot be reached now. */
  async logOut(): Promise<void> {
    const instance = await this.known();
    if (instance) await this.#leaving.change((list = []) => [...list, instance]);
    await this.#drop();
    await this.#leave();
  }

  /** Revokes what was logged out here, whoever's it was: until then it would be woken, and take calls. */
  async #leave(): Promise<void> {
    for (const one of (await this.#leaving.read()) ?? []) {
      const { instanceId } = one;
      await this.authorized("DELETE", `/v1/instances/${instanceId}`, undefined, one).catch(ifNotRefused);
      await this.#leaving.change((list) => {
        const rest = list?.filter((other) => other.instanceId !== instanceId);
        return rest?.[0] && rest;
      });
    }
  }

  /** A request with the token of this instance, or the given one. Rejects with what the server, or the network, says. */
  async authorized(method: string, path: string, body?: object | null, given?: Instance): Promise<unknown> {
    const instance = given ?? (await this.known());
    must(instance, "call start() first");
    return this.#fetch(method, path, body, `Bearer ${instance.instanceToken}`);
  }

  /** Undefined when this device is not registered. */
  async known(): Promise<Instance | undefined> {
    return this.#instance ?? this.#stored();
  }

  /** One tab of the instance at a time. */
  #locked<T>(run: () => Promise<T>): Promise<T> {
    return locked(this.#options.runtime.locks, this.key, run);
  }

  async #stored(): Promise<Instance | undefined> {
    const stored = parse(await this.#options.storage.get(this.key)) as Instance | undefined;
    if (stored) this.#instance = stored;
    return stored;
  }

  async #drop(): Promise<void> {
    this.#instance = undefined;
    await this.#options.storage.delete(this.key);
  }

  async #keep(result: RegistrationResult): Promise<Instance> {
    const { instanceId, instanceToken, expiresAt } = result;
    const instance = {
      instanceId,
      instanceToken,
      expires: Date.parse(expiresAt),
      issued: this.#options.runtime.now(),
    };
    this.#instance = instance;
    await this.#options.storage.set(this.key, JSON.stringify(instance));
    return instance;
  }

  async #renew(instance: Instance): Promise<Instance> {
    return this.#keep(
      (await this.authorized("POST", "/v1/instances/renew", undefined, instance)) as RegistrationResult,
    );
  }

  async #register(): Promise<Instance> {
    // Another tab may have registered while this one waited for the lock.
    const stored = await this.#stored();
    if (stored) return stored;
    const { applicationSecret } = this.#options;
    if (applicationSecret) return this.#registerSigned(applicationSecret);
    return this.#post(await this.#options.askApp());
  }

  /** Scheme 1. Another device of the user may be ahead by a little: then once more, with a later sequence. */
  async #registerSigned(secret: string, attempt = 1): Promise<Instance> {
    const { sign } = await import("./signing");
    const credentials = await sign(this.#options, `${this.key}:sequence`, secret);
    try {
      return await this.#post(credentials);
    } catch (error) {
      if (attempt < 5 && error instanceof CarillonError && error.errorName === "replayed") {
        return this.#registerSigned(secret, attempt + 1);
      }
      throw error;
    }
  }

  async #post(credentials: Credentials): Promise<Instance> {
    const { applicationKey, userId, deviceId } = this.#options;
    const body: RegistrationRequest = {
      applicationKey,
      userId,
      deviceId,
      ...credentials,
    };
    return this.#keep((await this.#fetch("POST", "/v1/instances", body)) as RegistrationResult);
  }

  async #fetch(method: string, path: string, json?: object | null, authorization?: string): Promise<unknown> {
    const { runtime, baseUrl } = this.#options;
    const [response, text] = await runtime
      .fetch(baseUrl + path, {
        method,
        headers: {
          ...(authorization && { authorization }),
          ...(json && { "content-type": "application/json" }),
        },
        body: json && JSON.stringify(json),
        // The page may be closing: statistics go out all the same.
        keepalive: !!authorization,
      })
      .then(async (response) => [response, await response.text()] as const)
      .catch((error: unknown) => {
        throw makeError("networkLost", undefined, error);
      });
    const body = parse(text) ?? {};
    if (response.ok) return body;
    const error = body as Partial<ErrorBody>;
    if (error.errorCode && error.name) throw new CarillonError(error as ErrorBody);
    // Somebody else answers there, or in between.
    throw makeError("networkLost", `HTTP ${response.status}.`);
  }
}

/** A renewal that the server refused leads to a new registration; one that did not reach it is an error. */
function ifNotRefused(error: unknown): undefined {
  if (error instanceof CarillonError && isUnauthorized(error.body)) return undefined;
  throw error;
}
