/** A user at a browser: a page of the platform in which the SDK runs, driven from outside. */
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type JSHandle,
  type Page,
} from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import type { ClientFrame, ServerFrame } from "../../../protocol";
import type { Call, CallOptions, CallState, CarillonClientOptions } from "../../../sdk/src";
import type { ServerFacts } from "../../support/browser-setup";
import { browserArguments, browserPath } from "../../support/programs";
import { mintToken } from "../../support/server";
import { installHarness } from "./harness";
import { type Sample, takeSample } from "./sample";

let browser: Browser;
let contexts: BrowserContext[] = [];
let users = 0;

/** One browser for the tests of a file; what a test opened is closed after it. */
export function useBrowser(): void {
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: browserPath(), args: browserArguments });
  });
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    contexts = [];
  });
  afterAll(() => browser.close());
}

/** A browser profile of its own: its own storage, its own device. */
export async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ permissions: ["microphone", "camera"], ...options });
  contexts.push(context);
  await context.addInitScript(installHarness);
  return context;
}

/** A fresh user name, so that tests do not meet. */
export function someone(name: string): string {
  users += 1;
  return `${name}-${process.pid}-${users}`;
}

/** The options that can be sent to a page, and a token to register with. */
type StartOptions = Pick<
  CarillonClientOptions,
  | "applicationKey"
  | "userId"
  | "environmentHost"
  | "applicationSecret"
  | "displayName"
  | "forceRelay"
  | "audioPacketMs"
> & { token?: string };

export interface PhoneOptions {
  user?: string;
  server?: ServerFacts;
  /** Where the platform is reached, when that is not `server.url`. */
  url?: string;
  /** Another tab in the same profile. */
  context?: BrowserContext;
  client?: Partial<StartOptions>;
  /** Leaves the client to the test. */
  start?: boolean;
}

export class Phone {
  /** What the page said and heard over its WebSockets. */
  readonly sent: ClientFrame[] = [];
  readonly received: ServerFrame[] = [];

  private constructor(
    readonly page: Page,
    readonly user: string,
  ) {
    page.on("websocket", (socket) => {
      socket.on("framesent", ({ payload }) => this.#record(this.sent, payload));
      socket.on("framereceived", ({ payload }) => this.#record(this.received, payload));
    });
  }

  /** A page that is there already. */
  static of(page: Page, user: string): Phone {
    return new Phone(page, user);
  }

  /** Opens a page, signs the user in, and listens for calls. */
  static async open(name: string, options: PhoneOptions = {}): Promise<Phone> {
    const { server = inject("server"), url = server.url, user = someone(name) } = options;
    const context = options.context ?? (await newContext());
    const phone = new Phone(await context.newPage(), user);
    await phone.page.goto(url);
    if (options.start === false) return phone;
    const token = await mintToken(server, user);
    await phone.start({
      token,
      applicationKey: server.applicationKey,
      userId: user,
      environmentHost: url,
      ...options.client,
    });
    return phone;
  }

  /** Makes the client and starts it. Answers the code of the error when that fails. */
  start(options: StartOptions): Promise<number | null> {
    return this.page.evaluate(async ({ token, ...options }) => {
      const { harness, carillon } = window;
      const client = new carillon.CarillonClient(options);
      harness.client = client;
      if (token) client.on("credentialsRequired", (registration) => registration.register({ token }));
      client.callClient.on("incomingCall", (call) => harness.incoming.push(harness.watch(call)));
      client.startListeningOnActiveConnection();
      return client.start().then(
        () => null,
        (error: { code: number }) => error.code,
      );
    }, options);
  }

  async call(to: Phone | string, options: CallOptions = {}): Promise<PhoneCall> {
    const userId = typeof to === "string" ? to : to.user;
    const handle = await this.page.evaluateHandle(
      ([userId, options]) => {
        const { client, watch } = window.harness;
        if (!client) throw new Error("not started");
        return watch(client.callClient.callUser(userId, options));
      },
      [userId, options] as const,
    );
    return new PhoneCall(this, handle);
  }

  async callConference(id: string, options: CallOptions = {}): Promise<PhoneCall> {
    const handle = await this.page.evaluateHandle(
      ([id, options]) => {
        const { client, watch } = window.harness;
        if (!client) throw new Error("not started");
        return watch(client.callClient.callConference(id, options));
      },
      [id, options] as const,
    );
    return new PhoneCall(this, handle);
  }

  /** The call that rings here, once it does. */
  async incoming(): Promise<PhoneCall> {
    await expect
      .poll(() => this.page.evaluate(() => window.harness.incoming.length), soon)
      .toBeGreaterThan(0);
    const handle = await this.page.evaluateHandle(() => {
      const call = window.harness.incoming.shift();
      if (!call) throw new Error("no call came in");
      return call;
    });
    return new PhoneCall(this, handle);
  }

  sample(): Promise<Sample> {
    return this.page.evaluate(takeSample);
  }

  /** Waits until the active connection is there, or gone. */
  async untilOnline(online: boolean): Promise<void> {
    const asked = () =>
      this.page.evaluate(async () => {
        const { client } = window.harness;
        return client?.presence(client.userId).then(
          () => true,
          () => false,
        );
      });
    await expect.poll(asked, { timeout: 30_000 }).toBe(online);
  }

  #record(frames: unknown[], payload: string | Buffer): void {
    const text = String(payload);
    if (text !== "ping" && text !== "pong") frames.push(JSON.parse(text));
  }
}

/** Polls quickly: what is waited for takes milliseconds. */
export const soon = { timeout: 15_000, interval: 25 };

/** A call in a page. */
export class PhoneCall {
  constructor(
    readonly phone: Phone,
    readonly handle: JSHandle<Call>,
  ) {}

  do<R>(action: (call: Call) => R): Promise<Awaited<R>> {
    return this.handle.evaluate(action as (call: Call) => Promise<R>) as Promise<Awaited<R>>;
  }

  state(): Promise<CallState> {
    return this.do((call) => call.state);
  }

  async until(state: CallState): Promise<void> {
    await expect.poll(() => this.state(), soon).toBe(state);
  }

  /** Waits for the end, and says how it came. */
  async ended(timeout = soon.timeout) {
    await expect.poll(() => this.state(), { ...soon, timeout }).toBe("ended");
    return this.do(({ details: { endCause, error } }) => ({ endCause, error: error?.errorName }));
  }

  events(): Promise<string[]> {
    return this.do((call) => window.harness.events.get(call) ?? []);
  }

  answer(options?: { video?: boolean }): Promise<void> {
    return this.handle.evaluate((call, options) => call.answer(options), options);
  }

  hangup(): Promise<void> {
    return this.do((call) => call.hangup());
  }
}
