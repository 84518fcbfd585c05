/** The softphone in a conference, as people use it. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { someone, soon, useBrowser } from "./support/phone";
import { Softphone } from "./support/softphone";

useBrowser();

interface TileFacts {
  name: string | null;
  marks: string | null;
  large: string | null;
  /** Pixels; 0 for no picture. */
  picture: number;
}

const tiles = (page: Page): Promise<TileFacts[]> =>
  page.getByTestId("tile").evaluateAll((found) =>
    found.map((tile) => {
      const video = tile.querySelector("video");
      return {
        name: tile.getAttribute("data-name"),
        marks: tile.getAttribute("data-marks"),
        large: tile.getAttribute("data-large"),
        picture: video?.classList.contains("live") ? video.videoWidth : 0,
      };
    }),
  );
const names = async ({ page }: Softphone) => (await tiles(page)).map(({ name }) => name);
const tileOf = async ({ page }: Softphone, name: string) =>
  (await tiles(page)).find((tile) => tile.name === name);

async function join(softphone: Softphone, room: string, button: "call" | "video-call"): Promise<void> {
  await softphone.at("callee").fill(`#${room}`);
  await softphone.at(button).click();
  await softphone.at("tile").first().waitFor();
}

async function state(softphone: Softphone, expected: string): Promise<void> {
  const found = () => softphone.at("call-state").evaluateAll(([one]) => one?.getAttribute("data-state"));
  await expect.poll(found, soon).toBe(expected);
}

test("two join by its name and see each other; one mutes, enlarges, invites a third, and leaves", {
  timeout: 90_000,
}, async () => {
  const room = someone("room");
  const [alice, bob, carol] = await Promise.all([
    Softphone.open("alice"),
    Softphone.open("bob"),
    Softphone.open("carol"),
  ]);
  await join(alice, room, "video-call");
  expect(await names(alice)).toEqual(["You"]);
  expect(await alice.textOf("remote-name")).toBe(`#${room}`);
  await join(bob, room, "video-call");
  for (const [one, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await expect.poll(() => names(one), soon).toEqual(["You", other.user]);
    await expect.poll(async () => (await tileOf(one, other.user))?.picture, soon).toBeGreaterThan(0);
    await expect.poll(async () => (await tileOf(one, "You"))?.picture, soon).toBeGreaterThan(0);
  }

  await bob.at("mute").click();
  await expect.poll(async () => (await tileOf(alice, bob.user))?.marks, soon).toBe("muted");
  await bob.at("video").click();
  await expect.poll(async () => (await tileOf(alice, bob.user))?.picture, soon).toBe(0);

  // By keyboard, as everything.
  await alice.page.locator(`[data-testid=tile][data-name="${bob.user}"]`).focus();
  await alice.page.keyboard.press("Enter");
  await expect.poll(async () => (await tileOf(alice, bob.user))?.large, soon).toBe("true");

  await alice.at("invite").click();
  await alice.at("invited").fill(carol.user);
  await alice.at("invited").press("Enter");
  const invitation = () =>
    alice.at("invitation").evaluateAll((found) => found.map((one) => one.getAttribute("data-state")));
  await expect.poll(invitation, soon).toEqual(["ringing"]);
  await expect.poll(() => carol.textOf("incoming-from"), soon).toBe(`#${room}`);
  await carol.at("answer").click();
  await expect.poll(() => names(carol), soon).toEqual(["You", alice.user, bob.user]);
  await expect.poll(invitation, soon).toEqual([]);

  await bob.at("hangup").click();
  await expect.poll(() => bob.at("end-cause").textContent(), soon).toMatch(/You were in the conference/);
  await expect.poll(() => names(alice), soon).toEqual(["You", carol.user]);
  await bob.at("call-again").click();
  await expect.poll(() => names(bob), soon).toEqual(["You", alice.user, carol.user]);
});

test("who declines an invitation is said to have declined, until that was read", async () => {
  const [alice, bob] = await Promise.all([Softphone.open("alice"), Softphone.open("bob")]);
  await join(alice, someone("room"), "call");
  await alice.at("invite").click();
  await alice.at("invited").fill(bob.user);
  await alice.at("invite-them").click();
  await bob.at("decline").click();
  await expect.poll(() => alice.textOf("invitation"), soon).toContain("declined");
  await alice.at("forget-invitation").click();
  expect(await alice.at("invitation").count()).toBe(0);
  await state(alice, "established");
});

test("a phone's width needs no scrolling to the side", async () => {
  const contextOptions = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };
  const [alice, bob] = await Promise.all([
    Softphone.open("alice", { contextOptions }),
    Softphone.open("bob", { contextOptions }),
  ]);
  const room = someone("room");
  await join(alice, room, "video-call");
  await join(bob, room, "video-call");
  for (const { page } of [alice, bob]) {
    await expect
      .poll(async () => (await tiles(page)).map(({ picture }) => picture > 0), soon)
      .toEqual([true, true]);
    const overflow = () =>
      page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(await overflow()).toBe(0);
    await page.getByTestId("invite").click();
    expect(await overflow()).toBe(0);
  }
});
