/** Messages in the softphone: between people, tabs and devices, and over a network that goes and comes. */
import { describe, expect, test } from "vitest";
import { someone, soon, useBrowser } from "./support/phone";
import { Softphone } from "./support/softphone";

useBrowser();

async function aliceAndBob(): Promise<{ alice: Softphone; bob: Softphone }> {
  const [alice, bob] = await Promise.all([Softphone.open("alice"), Softphone.open("bob")]);
  return { alice, bob };
}

test("a message goes out, is delivered and read, and is answered", async () => {
  const { alice, bob } = await aliceAndBob();
  await alice.writeTo(bob.user);
  await alice.say("Hello");
  await alice.shows("Hello (delivered)");
  await bob.hasUnread({ [alice.user]: 1 });
  await expect.poll(() => bob.page.title(), soon).toBe("(1) Carillon");

  await bob.openFromList(alice.user);
  await alice.shows("Hello (read)");
  expect(await alice.at("ticks").getAttribute("aria-label")).toBe("Read");
  await expect.poll(() => bob.page.title(), soon).toBe("Carillon");

  await bob.at("composer").pressSequentially("One line");
  await expect.poll(() => alice.textOf("typing"), soon).toBe(`${bob.user} is typing…`);
  await bob.at("composer").press("Shift+Enter");
  await bob.at("composer").pressSequentially("<b>two</b>");
  await bob.at("composer").press("Enter");
  await alice.shows("Hello (read)", "One line\n<b>two</b>");
  await bob.shows("Hello", "One line\n<b>two</b> (read)");
  expect(await alice.textOf("typing")).toBe("");
  expect(await alice.textOf("announcement")).toBe(`${bob.user}: One line\n<b>two</b>`);
});

test("a conversation of three", async () => {
  const { alice, bob } = await aliceAndBob();
  const carol = await Softphone.open("carol");
  const [a, b, c] = [alice, bob, carol].map(({ user }) => user) as [string, string, string];
  await alice.writeTo(b, c);
  await alice.say("Both of you");
  await alice.shows("Both of you (delivered)");
  await bob.openFromList(a, c);
  const label = `Delivered; read by ${b}`;
  await expect.poll(() => alice.at("ticks").getAttribute("aria-label"), soon).toContain(label);
  await carol.openFromList(a, b);
  await alice.shows("Both of you (read)");
  await carol.say("Fine");
  await bob.shows("Both of you", "Fine");
  await alice.shows("Both of you (read)", "Fine");
  expect(await alice.at("conversation-call").count()).toBe(0);
});

test("what was written for somebody who is away comes when they are back", async () => {
  const { alice, bob } = await aliceAndBob();
  const context = bob.page.context();
  await bob.page.close();
  await alice.writeTo(bob.user);
  await alice.say("1", "2", "3");
  await alice.shows("1 (sent)", "2 (sent)", "3 (sent)");

  const back = await Softphone.open("bob", { user: bob.user, context });
  await back.hasUnread({ [alice.user]: 3 });
  await alice.shows("1 (delivered)", "2 (delivered)", "3 (delivered)");
  await back.openFromList(alice.user);
  await back.shows("1", "2", "3");
  await alice.shows("1 (read)", "2 (read)", "3 (read)");
});

test("what is typed offline goes out later, once", async () => {
  const alice = await Softphone.open("alice", { mayComplain: true });
  const bob = await Softphone.open("bob");
  await alice.writeTo(bob.user);
  expect(await alice.at("offline-banner").count()).toBe(0);

  await alice.page.context().setOffline(true);
  await expect.poll(() => alice.at("offline-banner").count(), soon).toBe(1);
  await alice.say("1", "2");
  await alice.shows("1 (waiting)", "2 (waiting)");
  expect(await alice.textOf("offline-banner")).toContain("2 messages wait");
  expect(await alice.at("ticks").first().getAttribute("aria-label")).toBe("Waiting to be sent");
  expect(await bob.unread()).toEqual({});

  await alice.page.context().setOffline(false);
  await alice.shows("1 (delivered)", "2 (delivered)");
  await expect.poll(() => alice.at("offline-banner").count(), soon).toBe(0);
  await bob.openFromList(alice.user);
  await alice.shows("1 (read)", "2 (read)");
  for (const page of [alice, bob]) await page.reload();
  await bob.openFromList(alice.user);
  await bob.shows("1", "2");
  await alice.openFromList(bob.user);
  await alice.shows("1 (read)", "2 (read)");
});

test("a reload keeps what waits, and the history", async () => {
  const { alice, bob } = await aliceAndBob();
  await alice.writeTo(bob.user);
  await alice.say("There");
  await alice.shows("There (delivered)");

  const way = await alice.holdMessages();
  await alice.reload();
  await alice.openFromList(bob.user);
  await alice.shows("There (delivered)");
  await alice.say("On its way");
  await alice.shows("There (delivered)", "On its way (waiting)");
  await alice.reload();
  await alice.openFromList(bob.user);
  await alice.shows("There (delivered)", "On its way (waiting)");

  way.held = false;
  await alice.reload();
  await alice.openFromList(bob.user);
  await alice.shows("There (delivered)", "On its way (delivered)");
  await bob.openFromList(alice.user);
  await bob.shows("There", "On its way");
});

describe.for(["another tab", "another device"])("%s of the same user", (where) => {
  test("shows the same, and counts what is read there", async () => {
    const { alice, bob } = await aliceAndBob();
    const context = where === "another tab" ? alice.page.context() : undefined;
    const other = await Softphone.open("alice", { user: alice.user, ...(context && { context }) });
    await bob.writeTo(alice.user);
    await bob.say("To all of you");
    await Promise.all([alice, other].map((page) => page.hasUnread({ [bob.user]: 1 })));
    await alice.openFromList(bob.user);
    await bob.shows("To all of you (read)");
    await other.hasUnread({});

    await alice.say("From me");
    await other.openFromList(bob.user);
    for (const page of [alice, other]) await page.shows("To all of you", "From me (read)");
    await other.say("From me as well");
    for (const page of [alice, other])
      await page.shows("To all of you", "From me (read)", "From me as well (read)");
    await bob.shows("To all of you (read)", "From me", "From me as well");
  });
});

test("what another device has read while this one was away is not counted here", async () => {
  const { alice, bob } = await aliceAndBob();
  const elsewhere = await Softphone.open("bob", { user: bob.user });
  const context = elsewhere.page.context();
  await elsewhere.page.close();
  await alice.writeTo(bob.user);
  await alice.say("1", "2");
  await bob.openFromList(alice.user);
  await alice.shows("1 (read)", "2 (read)");
  await bob.at("back").click();
  await alice.say("3");
  await bob.hasUnread({ [alice.user]: 1 });

  const back = await Softphone.open("bob", { user: bob.user, context });
  await back.hasUnread({ [alice.user]: 1 });
});

test("a message to nobody says why, also after a reload, and can be sent again or removed", async () => {
  const alice = await Softphone.open("alice");
  const dave = someone("dave");
  await alice.writeTo(dave);
  await alice.say("Anybody there?");
  await alice.shows("Anybody there? (failed)");
  expect(await alice.at("failure").first().getAttribute("data-code")).toBe("40401");
  await alice.reload();
  await alice.openFromList(dave);
  await alice.shows("Anybody there? (failed)");

  const first = await alice.at("message").getAttribute("data-id");
  const there = await Softphone.open("dave", { user: dave });
  await alice.at("again").click();
  await alice.shows("Anybody there? (delivered)");
  expect(await alice.at("message").getAttribute("data-id")).not.toBe(first);
  await there.hasUnread({ [alice.user]: 1 });

  await alice.writeTo(someone("eve"));
  await alice.say("Hm");
  await alice.shows("Hm (failed)");
  await alice.at("remove").click();
  await alice.shows();
});

test("a long conversation comes in pages", async () => {
  const { alice, bob } = await aliceAndBob();
  await alice.page.evaluate(async (bob) => {
    const { client } = window.carillon;
    const write = (text: string) => ({ recipientIds: [bob], text, headers: {} });
    for (let i = 1; i <= 120; i += 1) await client?.messageClient.send(write(`${i}`));
  }, bob.user);
  await bob.hasUnread({ [alice.user]: 120 });
  await bob.reload();
  await bob.hasUnread({ [alice.user]: 120 });
  await bob.openFromList(alice.user);
  const numbers = (from: number) => Array.from({ length: 121 - from }, (_, i) => `${from + i}`);
  await bob.shows(...numbers(71));
  await bob.at("earlier").click();
  await bob.shows(...numbers(21));
  await bob.at("earlier").click();
  await bob.shows(...numbers(1));
  await expect.poll(() => bob.at("beginning").count(), soon).toBe(1);
  // All of them are read, also those that were not shown yet.
  await bob.at("back").click();
  await bob.hasUnread({});
});

test("signing out leaves no conversation behind", async () => {
  const { alice, bob } = await aliceAndBob();
  await alice.writeTo(bob.user);
  await alice.say("Secret");
  await alice.shows("Secret (delivered)");
  await alice.at("sign-out").click();
  await alice.at("sign-in-form").waitFor();
  const stored = await alice.page.evaluate(() => JSON.stringify({ ...localStorage }));
  expect(stored).not.toContain(bob.user);
  await alice.signIn();
  expect(await alice.at("conversation-line").count()).toBe(0);
});

test("on a phone of 320 pixels a conversation fits, and a call is within reach", async () => {
  const small = { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true };
  const [alice, bob] = await Promise.all([
    Softphone.open("alice", { contextOptions: small }),
    Softphone.open("bob"),
  ]);
  const overflow = () =>
    alice.page.evaluate(() => {
      const { scrollWidth, clientWidth, scrollHeight, clientHeight } = document.documentElement;
      return [scrollWidth - clientWidth, scrollHeight - clientHeight];
    });
  await alice.writeTo(bob.user);
  await alice.say("x".repeat(400));
  await alice.shows(`${"x".repeat(400)} (delivered)`);
  expect(await overflow()).toEqual([0, 0]);

  await alice.at("conversation-call").tap();
  await bob.at("answer").click();
  // The call comes to the front, and is a bar over the conversation.
  await expect.poll(() => alice.at("call-state").getAttribute("data-state"), soon).toBe("established");
  expect(await alice.at("hangup").isVisible()).toBe(true);
  await alice.openFromList(bob.user);
  expect(await alice.at("hangup").isVisible()).toBe(false);
  expect(await overflow()).toEqual([0, 0]);
  await alice.at("bar-hangup").tap();
  await expect.poll(() => bob.at("end-cause").count(), soon).toBe(1);
});
