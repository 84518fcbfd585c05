/**
 * A user whose browser sleeps: signed in to the softphone once, all its pages closed since. Its pushes
 * go to the stand-in of a push service, which decrypts them; from there they are delivered through
 * DevTools, because a browser takes no push without its maker's network. What the worker shows is seen on
 * a desktop, and clicks there are real ones.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BrowserContext, type CDPSession, chromium, type Page } from "playwright-core";
import { expect, inject, onTestFinished } from "vitest";
import { browserArguments, browserPath, until } from "../../support/programs";
import { mintToken } from "../../support/server";
import { Desktop, type DesktopNotification } from "./desktop";
import { installHarness } from "./harness";
import { Phone, someone, soon } from "./phone";

/** What the stand-in of the push service got. */
interface Push {
  number: number;
  token: string;
  sin?: string;
}

export class Sleeper {
  /** The last push that was looked at. */
  #seen = 0;

  private constructor(
    readonly user: string,
    readonly desktop: Desktop,
    readonly context: BrowserContext,
    private readonly devTools: CDPSession,
    private readonly endpoint: string,
    private readonly registrationId: string,
  ) {}

  /** Signs somebody in, and closes the page. */
  static async open(name: string): Promise<Sleeper> {
    const server = inject("server");
    const user = someone(name);
    const desktop = await Desktop.open();
    // A window that opens after a click can only be seen in a profile that is none of Playwright's own.
    const folder = mkdtempSync(join(tmpdir(), "carillon-browser-"));
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: browserPath(),
      args: browserArguments,
      permissions: ["microphone", "camera", "notifications"],
      env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: desktop.address } as Record<string, string>,
    });
    onTestFinished(async () => {
      await context.close();
      await desktop.close();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    });
    await context.addInitScript(installHarness);
    // The browser stays when the last page of the softphone goes.
    const [blank = await context.newPage()] = context.pages();
    const devTools = await context.newCDPSession(blank);
    const registered = new Promise<string>((resolve) => {
      devTools.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const [one] = registrations.filter(({ isDeleted }) => !isDeleted);
        if (one) resolve(one.registrationId);
      });
    });
    await devTools.send("ServiceWorker.enable");

    const page = await context.newPage();
    const token = await mintToken(server, user);
    await page.goto(`${server.url}/#${new URLSearchParams({ key: server.applicationKey, user, token })}`);
    await expect.poll(() => page.getByTestId("connection").allTextContents(), soon).toEqual(["online"]);
    const subscription = await standIn<Push & { endpoint: string }>("POST", "/devices", {
      provider: "webpush",
    });
    await page.evaluate(
      async ([key, subscription]) => {
        await navigator.serviceWorker.register(`/service-worker.js?key=${key}`);
        await navigator.serviceWorker.ready;
        await window.carillon.client?.push.registerPushDevice({
          provider: "webpush",
          ...subscription,
        } as never);
      },
      [server.applicationKey, subscription] as const,
    );
    const sleeper = new Sleeper(user, desktop, context, devTools, subscription.endpoint, await registered);
    await page.close();
    return sleeper;
  }

  /** The next push for this user, as its device reads it. */
  async push(): Promise<string> {
    const push = await until("a push", async () => {
      const { pushes } = await standIn<{ pushes: Push[] }>("GET", `/pushes?after=${this.#seen}`);
      return pushes.find(({ token }) => token === this.endpoint);
    });
    this.#seen = push.number;
    if (push.sin === undefined) throw new Error(`a push that cannot be read: ${JSON.stringify(push)}`);
    return push.sin;
  }

  /** Wakes the worker with a push, as a browser does: whether or not it runs. */
  async deliver(sin: string): Promise<void> {
    await this.devTools.send("ServiceWorker.stopAllWorkers");
    await this.devTools.send("ServiceWorker.deliverPushMessage", {
      origin: inject("server").url,
      registrationId: this.registrationId,
      data: JSON.stringify({ sin }),
    });
  }

  /** Takes the next push. */
  async wake(): Promise<string> {
    const sin = await this.push();
    await this.deliver(sin);
    return sin;
  }

  /** What is to be seen on the desktop, once that is all. */
  async sees(...titles: string[]): Promise<DesktopNotification> {
    await expect.poll(() => this.desktop.notifications.map(({ title }) => title), soon).toEqual(titles);
    return this.desktop.notifications[0] ?? { id: 0, title: "", body: "", buttons: {} };
  }

  /** The pages of the softphone. */
  get pages(): Page[] {
    return this.context.pages().filter((page) => page.url().startsWith(inject("server").url));
  }

  /** The page that opened by itself. */
  async opened(): Promise<Phone> {
    const page = await until("a page that opens", () => this.pages[0]);
    return Phone.of(page, this.user);
  }
}

async function standIn<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(`${inject("server").phones}${path}`, {
    method,
    ...(body && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
}
