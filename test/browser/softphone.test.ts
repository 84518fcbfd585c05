/** The softphone as people use it. */
import type { BrowserContextOptions, Page } from "playwright-core";
import { expect, inject, onTestFinished, test } from "vitest";
import { mintToken } from "../support/server";
import { newContext, someone, soon, useBrowser } from "./support/phone";

useBrowser();

const server = inject("server");

/** A page that must not complain: neither the console nor the content security policy. */
async function openPage(address: string, options?: BrowserContextOptions): Promise<Page> {
  const page = await (await newContext(options)).newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  onTestFinished(() => expect(complaints).toEqual([]));
  await page.goto(address);
  return page;
}

/** Opens a link as `npm start` prints them. */
async function signIn(user: string, options?: BrowserContextOptions): Promise<Page> {
  const { url, applicationKey: key } = server;
  const token = await mintToken(server, user);
  const page = await openPage(`${url}/#${new URLSearchParams({ key, user, token })}`, options);
  await connected(page, user);
  return page;
}

async function connected(page: Page, user: string): Promise<void> {
  await expect.poll(() => textOf(page, "me"), soon).toBe(user);
  await expect.poll(() => textOf(page, "connection"), soon).toBe("online");
}

const at = (page: Page, id: string) => page.getByTestId(id);
const textOf = async (page: Page, id: string) => (await at(page, id).allTextContents())[0];
const attribute = (page: Page, id: string, name: string) =>
  at(page, id).evaluateAll((found, name) => found[0]?.getAttribute(name), name);

async function state(page: Page, expected: string): Promise<void> {
  await expect.poll(() => attribute(page, "call-state", "data-state"), soon).toBe(expected);
}

async function endCause(page: Page, expected: string): Promise<void> {
  await expect.poll(() => attribute(page, "end-cause", "data-cause"), soon).toBe(expected);
}

async function bothSignIn(options?: BrowserContextOptions) {
  const [alice, bob] = [someone("alice"), someone("bob")];
  const [alicePage, bobPage] = await Promise.all([signIn(alice, options), signIn(bob, options)]);
  return { alice, bob, alicePage, bobPage };
}

test("the demo link signs in, and a call is made, answered, muted and hung up", async () => {
  const { alice, bob, alicePage, bobPage } = await bothSignIn();
  await at(alicePage, "callee").fill(bob);
  await at(alicePage, "call").click();
  await expect.poll(() => textOf(bobPage, "incoming-from"), soon).toContain(alice);
  await state(alicePage, "ringing");
  await at(bobPage, "answer").click();
  await Promise.all([state(alicePage, "established"), state(bobPage, "established")]);
  expect(await textOf(alicePage, "remote-name")).toContain(bob);

  await at(alicePage, "mute").click();
  await expect.poll(() => attribute(alicePage, "mute", "data-on"), soon).toBe("true");
  await expect.poll(() => textOf(bobPage, "marks"), soon).toMatch(/muted/i);
  await expect.poll(() => attribute(bobPage, "quality", "data-mos"), soon).toMatch(/^[34]\./);
  await at(bobPage, "hangup").click();
  await Promise.all([endCause(alicePage, "hungUp"), endCause(bobPage, "hungUp")]);
});

test("a video call shows both pictures", async () => {
  const { bob, alicePage, bobPage } = await bothSignIn();
  await at(alicePage, "callee").fill(bob);
  await at(alicePage, "video-call").click();
  await at(bobPage, "answer-video").click();
  for (const page of [alicePage, bobPage]) {
    for (const view of ["remote-video", "local-video"]) {
      const width = () =>
        at(page, view)
          .locator("video")
          .evaluateAll((found) => (found[0] as HTMLVideoElement | undefined)?.videoWidth ?? 0);
      await expect.poll(width, soon).toBeGreaterThan(0);
    }
  }
});

test("a call is declined", async () => {
  const { bob, alicePage, bobPage } = await bothSignIn();
  await at(alicePage, "callee").fill(bob);
  await at(alicePage, "callee").press("Enter");
  await at(bobPage, "decline").click();
  await endCause(alicePage, "denied");
});

test("a reload keeps the user signed in, and the token is out of the address", async () => {
  const user = someone("alice");
  const page = await signIn(user);
  expect(page.url()).not.toContain("token");
  await page.reload();
  await connected(page, user);
  await at(page, "sign-out").click();
  await expect.poll(() => at(page, "sign-in-form").count(), soon).toBe(1);
});

test.for([
  ["an unknown key", { key: "00000000-0000-4000-8000-000000000000" }, "40100"],
  ["a token of somebody else", { user: "mallory" }, "40102"],
  ["a text that is no token", { token: "secret" }, "40001"],
] as const)("%s is refused with the error's code", async ([, wrong, code]) => {
  const user = someone("alice");
  const token = await mintToken(server, user);
  const page = await (await newContext()).newPage();
  await page.goto(server.url);
  const fields = { key: server.applicationKey, user, token, ...wrong };
  for (const [field, value] of Object.entries(fields)) await at(page, field).fill(value);
  await at(page, "sign-in").click();
  await expect.poll(() => attribute(page, "error", "data-code"), soon).toBe(code);
});

test("a link that was used says so", async () => {
  const user = someone("alice");
  const { url, applicationKey: key } = server;
  const link = `${url}/#${new URLSearchParams({ key, user, token: await mintToken(server, user) })}`;
  await connected(await openPage(link), user);
  const page = await (await newContext()).newPage();
  await page.goto(link);
  await expect.poll(() => attribute(page, "error", "data-code"), soon).toBe("40103");
});

test("a phone's width needs no scrolling to the side", async () => {
  const { bob, alicePage, bobPage } = await bothSignIn({
    viewport: { width: 360, height: 740 },
    isMobile: true,
    hasTouch: true,
  });
  const overflow = (page: Page) =>
    page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(await overflow(alicePage)).toBe(0);
  await at(alicePage, "callee").fill(bob);
  await at(alicePage, "video-call").tap();
  await expect.poll(() => at(bobPage, "incoming").count(), soon).toBe(1);
  expect(await overflow(bobPage)).toBe(0);
  await at(bobPage, "answer-video").tap();
  for (const page of [alicePage, bobPage]) {
    await state(page, "established");
    expect(await overflow(page)).toBe(0);
  }
});
