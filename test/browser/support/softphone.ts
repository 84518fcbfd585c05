/** The softphone's messages as a person uses them. */
import type { BrowserContext, BrowserContextOptions, Locator, Page, WebSocketRoute } from "playwright-core";
import { expect, inject, onTestFinished } from "vitest";
import { mintToken } from "../../support/server";
import { newContext, someone, soon } from "./phone";

export interface SoftphoneOptions {
  user?: string;
  /** Another tab in the same profile, in which the user is signed in already. */
  context?: BrowserContext;
  contextOptions?: BrowserContextOptions;
  /** The network goes away in this test: the browser complains of that. */
  mayComplain?: boolean;
}

export class Softphone {
  private constructor(
    readonly page: Page,
    readonly user: string,
  ) {}

  /** Opens the page and signs the user in. */
  static async open(name: string, options: SoftphoneOptions = {}): Promise<Softphone> {
    const { user = someone(name) } = options;
    const page = await (options.context ?? (await newContext(options.contextOptions))).newPage();
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    if (!options.mayComplain) onTestFinished(() => expect(complaints).toEqual([]));
    const softphone = new Softphone(page, user);
    await page.goto(`${inject("server").url}/${await softphone.#link(options.context === undefined)}`);
    await softphone.online();
    return softphone;
  }

  /** Signs in anew where somebody has signed out. */
  async signIn(): Promise<void> {
    await this.page.evaluate(
      (hash) => {
        location.hash = hash;
      },
      await this.#link(true),
    );
    await this.online();
  }

  /** As `npm start` prints them. */
  async #link(withToken: boolean): Promise<string> {
    const server = inject("server");
    const parts = new URLSearchParams({ key: server.applicationKey, user: this.user });
    if (withToken) parts.set("token", await mintToken(server, this.user));
    return `#${parts}`;
  }

  async online(): Promise<void> {
    await expect.poll(() => this.textOf("me"), soon).toBe(this.user);
    await expect.poll(() => this.textOf("connection"), soon).toBe("online");
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.online();
  }

  at(id: string): Locator {
    return this.page.getByTestId(id);
  }

  async textOf(id: string): Promise<string | undefined> {
    return (await this.at(id).allTextContents())[0];
  }

  /** Opens a conversation as one that is new, whatever is shown. */
  async writeTo(...people: string[]): Promise<void> {
    if (await this.at("back").count()) await this.at("back").click();
    await this.at("recipients").fill(people.join(", "));
    await this.at("recipients").press("Enter");
    await this.at("composer").waitFor();
  }

  /** Opens a conversation from the list. */
  async openFromList(...people: string[]): Promise<void> {
    const id = [...people].sort().join(" ");
    await this.page.locator(`[data-testid="conversation-line"][data-with="${id}"]`).click();
    await this.at("composer").waitFor();
  }

  async say(...texts: string[]): Promise<void> {
    for (const text of texts) {
      await this.at("composer").fill(text);
      await this.at("composer").press("Enter");
    }
  }

  /** The messages that are shown, in their order: `text` of others, `text (mark)` of one's own. */
  messages(): Promise<string[]> {
    return this.at("message").evaluateAll((rows) =>
      rows.map((row) => {
        const text = row.querySelector("[data-testid=text]")?.lastChild?.textContent;
        const mark = row.getAttribute("data-mark");
        return mark ? `${text} (${mark})` : `${text}`;
      }),
    );
  }

  async shows(...messages: string[]): Promise<void> {
    await expect.poll(() => this.messages(), soon).toEqual(messages);
  }

  /** Of each conversation that has any, by its people. */
  unread(): Promise<Record<string, number>> {
    return this.at("conversation-line").evaluateAll((lines) =>
      Object.fromEntries(
        lines.flatMap((line) => {
          const count = line.querySelector("[data-testid=unread]")?.getAttribute("data-count");
          return count ? [[line.getAttribute("data-with") ?? "", Number(count)]] : [];
        }),
      ),
    );
  }

  async hasUnread(unread: Record<string, number>): Promise<void> {
    await expect.poll(() => this.unread(), soon).toEqual(unread);
  }

  /**
   * From the next connection on, messages are held back on their way to the server as long as `held`
   * says so, also over a reload.
   */
  async holdMessages(): Promise<{ held: boolean }> {
    const state = { held: true };
    await this.page.routeWebSocket(/\/v1\/connect/, (socket: WebSocketRoute) => {
      const server = socket.connectToServer();
      socket.onMessage((frame) => {
        if (!(state.held && String(frame).includes('"type":"send"'))) server.send(frame);
      });
    });
    return state;
  }
}
