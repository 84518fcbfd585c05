/** The room's planner, the SFU's API and its stand-in, with real browsers: plain peer connections, no SDK. */
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { performChange } from "../../core/conferences/sfu/api";
import {
  concludeChange,
  dropSfu,
  hearSfu,
  nextChange,
  type SfuOperation,
} from "../../core/conferences/sfu/planner";
import { newSfuSeat, type SfuSeats } from "../../core/conferences/sfu/seat";
import type { RoomEvent, VideoLayer } from "../../protocol";
import { browserArguments, browserPath } from "../support/programs";
import { type Sfu, startSfu } from "../support/sfu";
import { installSfuPage } from "./support/sfu-page";

const soon = { timeout: 20_000, interval: 200 };

let browser: Browser;
let sfu: Sfu;
let context: BrowserContext;
let room: Room;

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: browserPath(), args: browserArguments });
  sfu = await startSfu();
});
afterEach(async () => {
  await room.close();
  await context.close();
});
afterAll(async () => {
  await browser.close();
  await sfu.close();
});

/** A room that does nothing but its media. */
class Room {
  readonly seats: SfuSeats = {};
  readonly events: RoomEvent["type"][] = [];
  readonly #pages = new Map<string, Page>();
  readonly #timer = setInterval(() => this.#plan(), 50);
  readonly #work = new Set<Promise<void>>();

  async enter(id: string, options: { hertz: number; video: boolean }): Promise<Page> {
    const page = await context.newPage();
    // A page of 127.0.0.1 may use the camera.
    await page.goto(`${sfu.url}/`);
    await page.evaluate(installSfuPage);
    this.seats[id] = newSfuSeat();
    this.#pages.set(id, page);
    const operations = await page.evaluate((given) => window.sfu.start(given), options);
    for (const operation of operations) await this.tell(id, operation);
    return page;
  }

  async tell(id: string, operation: SfuOperation): Promise<void> {
    await this.#deliver(id, hearSfu(this.seats, id, operation));
    this.#plan();
  }

  show(id: string, videos: Record<string, VideoLayer>): Promise<void> {
    return this.tell(id, { type: "show", videos });
  }

  async leave(id: string): Promise<void> {
    dropSfu(this.seats, id);
    await this.#pages.get(id)?.close();
    this.#pages.delete(id);
    this.#plan();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const id of Object.keys(this.seats)) dropSfu(this.seats, id);
    await Promise.all(this.#work);
  }

  #plan(): void {
    for (const id of Object.keys(this.seats)) {
      const change = nextChange(this.seats, id, Date.now());
      if (!change) continue;
      const work = performChange(sfu.settings, fetch, change)
        .then((outcome) => {
          if (outcome.kind !== "done") this.events.push("sfuFailed");
          return this.#deliver(id, concludeChange(this.seats, id, change, outcome, Date.now()));
        })
        .then(() => this.#plan())
        .finally(() => this.#work.delete(work));
      this.#work.add(work);
    }
  }

  async #deliver(id: string, events: RoomEvent[]): Promise<void> {
    for (const event of events) {
      this.events.push(event.type);
      const operations = await this.#pages.get(id)?.evaluate((given) => window.sfu.hear(given), event);
      for (const operation of operations ?? []) await this.tell(id, operation);
    }
  }
}

const tones = (page: Page) => page.evaluate(() => window.sfu.tones());
const widths = (page: Page) => page.evaluate(() => window.sfu.widths());
const near = (hertz: number) => expect.closeTo(hertz, -1.5);

async function begin(): Promise<void> {
  context = await browser.newContext({ permissions: ["microphone", "camera"] });
  room = new Room();
}

test("three hear each other, each by its own tone, and what one that left had sent is gone", async () => {
  await begin();
  const alice = await room.enter("alice", { hertz: 500, video: false });
  const bob = await room.enter("bob", { hertz: 1_000, video: false });
  const carol = await room.enter("carol", { hertz: 2_000, video: false });
  await expect.poll(() => tones(alice), soon).toEqual({ bob: near(1_000), carol: near(2_000) });
  await expect.poll(() => tones(bob), soon).toEqual({ alice: near(500), carol: near(2_000) });
  await expect.poll(() => tones(carol), soon).toEqual({ alice: near(500), bob: near(1_000) });
  await room.leave("bob");
  await expect.poll(() => tones(alice), soon).toEqual({ bob: 0, carol: near(2_000) });
  await expect.poll(() => room.events.filter((event) => event === "sfuClosed").length, soon).toBe(2);
  expect(room.events).not.toContain("sfuFailed");
});

test("video comes to whom it is shown, in the size that was asked for, and another size when that is asked for", async () => {
  await begin();
  const alice = await room.enter("alice", { hertz: 500, video: true });
  const bob = await room.enter("bob", { hertz: 1_000, video: false });
  const carol = await room.enter("carol", { hertz: 2_000, video: false });
  await room.show("bob", { alice: "h" });
  await room.show("carol", { alice: "l" });
  await expect.poll(() => widths(bob), soon).toEqual({ alice: 960 });
  await expect.poll(() => widths(carol), soon).toEqual({ alice: 240 });
  await room.show("bob", { alice: "m" });
  await expect.poll(() => widths(bob), soon).toEqual({ alice: 480 });
  await room.show("carol", { alice: "h" });
  await expect.poll(() => widths(carol), soon).toEqual({ alice: 960 });
  await room.show("bob", {});
  await expect.poll(() => widths(bob), soon).toEqual({ alice: 0 });
  expect(await tones(alice)).toEqual({ bob: near(1_000), carol: near(2_000) });
  // Somebody who hears others already begins to send a video.
  const operations = await bob.evaluate(() => window.sfu.addVideo());
  await room.show("alice", { bob: "m" });
  for (const operation of operations) await room.tell("bob", operation);
  await expect.poll(() => widths(alice), soon).toEqual({ bob: 480 });
  expect(room.events).not.toContain("sfuFailed");
});
