/**
 * Calls and messages that wake a browser none of whose pages is open. Real: the server's Web Push, the
 * encryption, the service worker, the notification on a desktop (over D-Bus), the click on it with its
 * `notificationclick` and `clients.openWindow()`, and the media. Simulated: the push service, which is a
 * stand-in that decrypts, and its way into the browser, which is DevTools' `ServiceWorker.deliverPushMessage`.
 */
import { expect, inject, test } from "vitest";
import { WritableMessage } from "../../sdk/src";
import { mintToken } from "../support/server";
import { hangUp, hears } from "./support/calls";
import { newContext, Phone, soon, useBrowser } from "./support/phone";
import { Sleeper } from "./support/sleeper";

useBrowser();

async function aliceAndSleeper() {
  const [alice, bob] = await Promise.all([Phone.open("alice"), Sleeper.open("bob")]);
  const online = () =>
    alice.page
      .evaluate((user) => window.harness.client?.presence(user), bob.user)
      .then((found) => found?.online);
  await expect.poll(online, soon).toBe(false);
  return { alice, bob };
}

const text = (phone: Phone, id: string) => phone.page.getByTestId(id).allTextContents();

test("a call wakes a browser; its notification's answer opens the page, and audio runs", async () => {
  const { alice, bob } = await aliceAndSleeper();
  await alice.page.evaluate(() => window.harness.client?.push.setDisplayName("Alice Ångström"));
  const call = await alice.call(bob.user);
  await bob.wake();
  const notification = await bob.sees("Incoming call");
  expect(notification.body).toContain("Alice Ångström");
  expect(Object.keys(notification.buttons)).toEqual(expect.arrayContaining(["Answer", "Decline"]));
  expect(await call.state()).toBe("progressing");

  bob.desktop.click(notification, "Answer");
  const phone = await bob.opened();
  await call.until("established");
  await Promise.all([hears(alice), hears(phone)]);
  await bob.sees();
  await call.hangup();
  await expect.poll(() => text(phone, "end-cause"), soon).toHaveLength(1);
});

test("a tap on the notification itself opens the page, where it rings", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const call = await alice.call(bob.user, { video: true });
  await bob.wake();
  bob.desktop.click(await bob.sees("Incoming video call"));
  const phone = await bob.opened();
  await call.until("ringing");
  await phone.page.getByTestId("answer").click();
  await call.until("established");
  await hears(alice);
});

test("a call is declined in the notification, with no page", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const call = await alice.call(bob.user);
  await bob.wake();
  bob.desktop.click(await bob.sees("Incoming call"), "Decline");
  expect(await call.ended()).toMatchObject({ endCause: "denied" });
  await bob.sees();
  expect(bob.pages).toEqual([]);
});

test("a caller who gives up leaves a missed call, which opens the page", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const call = await alice.call(bob.user);
  await bob.wake();
  await bob.sees("Incoming call");
  await call.hangup();
  await bob.wake();
  bob.desktop.click(await bob.sees("Missed call"));
  const phone = await bob.opened();
  await expect.poll(() => text(phone, "log"), soon).toEqual([expect.stringContaining("gave up")]);
  expect(await text(phone, "incoming")).toEqual([]);
});

test("a call that is answered on another device goes, and nothing comes in its place", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const other = await Phone.open("bob", { user: bob.user });
  const call = await alice.call(bob.user);
  await bob.wake();
  await bob.sees("Incoming call");
  const incoming = await other.incoming();
  await incoming.answer();
  await call.until("established");
  await bob.wake();
  await bob.sees();
  await hangUp(call, incoming);
  expect(bob.pages).toEqual([]);
});

test("a call that was taken away while the page opened is said to be missed", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const call = await alice.call(bob.user);
  await bob.wake();
  const notification = await bob.sees("Incoming call");
  await call.hangup();
  await call.ended();
  // The cancel has not come yet.
  bob.desktop.click(notification, "Answer");
  const phone = await bob.opened();
  await expect.poll(() => text(phone, "log"), soon).toEqual([expect.stringContaining("gave up")]);
});

test("a message wakes a browser; its notification opens the conversation", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const [hello] = [new WritableMessage(bob.user, "Lunch?")];
  await alice.page.evaluate((message) => window.harness.client?.messageClient.send(message), hello);
  await bob.wake();
  bob.desktop.click(await bob.sees("New message"));
  const phone = await bob.opened();
  await expect.poll(() => text(phone, "message"), soon).toEqual([expect.stringContaining("Lunch?")]);
});

test("a link that says what a push said rings, and does not keep it", async () => {
  const { alice, bob } = await aliceAndSleeper();
  const call = await alice.call(bob.user);
  const sin = await bob.push();
  const { url, applicationKey: key, ...server } = inject("server");
  const token = await mintToken({ url, applicationKey: key, ...server }, bob.user);
  const page = await (await newContext()).newPage();
  await page.goto(`${url}/#${new URLSearchParams({ key, user: bob.user, token, push: sin })}`);
  await call.until("ringing");
  const phone = Phone.of(page, bob.user);
  await expect.poll(() => text(phone, "incoming-from"), soon).toEqual([alice.user]);
  expect(page.url()).not.toContain("push");
});

test("a browser that refuses notifications says so in words", async () => {
  const phone = await Phone.open("bob", { start: false });
  const { url, applicationKey: key, ...server } = inject("server");
  const token = await mintToken({ url, applicationKey: key, ...server }, phone.user);
  await phone.page.goto("about:blank");
  await phone.page.goto(`${url}/#${new URLSearchParams({ key, user: phone.user, token })}`);
  await phone.page.getByTestId("settings").click();
  await phone.page.getByTestId("wake").click();
  await expect.poll(() => text(phone, "wake-problem"), soon).toEqual([expect.stringContaining("refused")]);
  expect(await phone.page.getByTestId("wake").getAttribute("data-on")).toBe("false");
});
