/** A telephone on the page of the telephone network, whose owner is a tone as well. */
import type { Page } from "playwright-core";
import { expect, inject } from "vitest";
import { tones } from "./conference";
import { type EarsOptions, installEars } from "./ears";
import { newContext, soon } from "./phone";

export class Telephone {
  /** Hz: the one that the last guest would have. */
  readonly tone = tones.at(-1) ?? 0;

  private constructor(readonly page: Page) {}

  /** From now on it rings, whatever number is called. */
  static async open(): Promise<Telephone> {
    const { telephony } = inject("server");
    if (!telephony) throw new Error("no telephone network");
    const context = await newContext();
    await context.addInitScript(installEars, { own: tones.at(-1) ?? 0, tones } satisfies EarsOptions);
    const page = await context.newPage();
    await page.goto(telephony);
    await expect.poll(() => page.locator("#line").textContent(), soon).toBe("Waiting for calls.");
    return new Telephone(page);
  }

  async answer(): Promise<void> {
    await this.page.getByRole("button", { name: "Answer" }).click();
  }

  async hangUp(): Promise<void> {
    await this.page.getByRole("button", { name: "Hang up" }).click();
  }

  /** Of the call: `rings`, `talks` …; undefined for none. */
  async state(): Promise<string | null | undefined> {
    const [state] = await this.page
      .locator("article.call")
      .evaluateAll((cards) => cards.map((card) => card.getAttribute("data-state")));
    return state;
  }

  /** The tones in what comes in, each once. */
  async hears(): Promise<number[]> {
    const tones = await this.page.evaluate(() => window.ears.received());
    return [...new Set(tones)].sort((one, other) => one - other);
  }
}
