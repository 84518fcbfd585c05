/** What is heard and seen: measured in both browsers. */
import { expect, test } from "vitest";
import {
  bothHear,
  bothSee,
  established,
  hangUp,
  hears,
  hearsSilence,
  ringing,
  sees,
  twoPhones,
} from "./support/calls";
import { soon, useBrowser } from "./support/phone";

useBrowser();

test("audio runs both ways", async () => {
  const pair = await established();
  await bothHear(pair);
  expect(await pair.outgoing.events()).toEqual(["progressing", "ringing", "answered", "established"]);
  expect(await pair.incoming.events()).toEqual(["ringing", "answered", "established"]);
  await hangUp(pair.outgoing, pair.incoming);
});

test("video runs both ways", async () => {
  const pair = await established({ video: true });
  await Promise.all([bothHear(pair), bothSee(pair)]);
  for (const call of [pair.outgoing, pair.incoming]) {
    expect(await call.events()).toContain("videoTrackAdded");
    expect(await call.do(({ remoteMedia }) => remoteMedia.video)).toBe("on");
  }
  const size = (await pair.bob.sample()).video;
  expect(size.width).toBeGreaterThan(0);
  await hangUp(pair.incoming, pair.outgoing);
});

test("mute is heard as silence, and unmute is heard", async () => {
  const { alice, bob, outgoing, incoming } = await established();
  await hears(bob);
  await outgoing.do((call) => call.mute());
  await hearsSilence(bob);
  await expect.poll(() => incoming.do((call) => call.remoteMedia.muted), soon).toBe(true);
  await hears(alice);
  await outgoing.do((call) => call.unmute());
  await hears(bob);
  await expect.poll(() => incoming.do((call) => call.remoteMedia.muted), soon).toBe(false);
});

test("a call on hold is silent on both sides, until it is resumed", async () => {
  const { alice, bob, outgoing, incoming } = await established();
  const playing = () => alice.page.evaluate(() => !document.querySelector("audio")?.muted);
  const own = await outgoing.handle.evaluateHandle((call) => {
    const element = document.body.appendChild(document.createElement("audio"));
    window.harness.client?.audioController.attach(call, element);
    return element;
  });
  await outgoing.do((call) => call.hold());
  await expect.poll(() => incoming.do((call) => call.remoteMedia.held), soon).toBe(true);
  expect(await playing()).toBe(false);
  await hearsSilence(bob);
  await outgoing.do((call) => call.resume());
  expect(await playing()).toBe(true);
  expect(await own.evaluate((element) => element.paused)).toBe(false);
  await hears(bob);
  await expect.poll(() => incoming.do((call) => call.remoteMedia.held), soon).toBe(false);
  expect(await outgoing.state()).toBe("established");
});

test("paused video shows no new picture, and goes on when it is resumed", async () => {
  const { bob, outgoing, incoming } = await established({ video: true });
  await sees(bob);
  await outgoing.do((call) => call.pauseVideo());
  await expect.poll(() => incoming.do((call) => call.remoteMedia.video), soon).toBe("paused");
  await outgoing.do((call) => call.resumeVideo());
  await expect.poll(() => incoming.do((call) => call.remoteMedia.video), soon).toBe("on");
  await sees(bob);
});

test("the screen is shared instead of the camera, and the camera comes back", async () => {
  const { bob, outgoing, incoming } = await established({ video: true });
  const shape = async () => {
    const { width, height } = (await bob.sample()).video;
    return (width / height).toFixed(1);
  };
  await sees(bob);
  expect(await shape()).toBe("1.8");
  await outgoing.do(async (call) => {
    await call.startScreenSharing();
    const [screen] = call.outgoingStream?.getVideoTracks() ?? [];
    await screen?.applyConstraints({ width: 640, height: 480 });
  });
  await expect.poll(() => incoming.do((call) => call.remoteMedia.video), soon).toBe("screen");
  await expect.poll(shape, soon).toBe("1.3");
  await sees(bob);
  await outgoing.do((call) => call.stopScreenSharing());
  await expect.poll(() => incoming.do((call) => call.remoteMedia.video), soon).toBe("on");
  await expect.poll(shape, soon).toBe("1.8");
  await sees(bob);
});

test("video comes into an audio call from both sides at once", async () => {
  const pair = await established();
  await Promise.all([
    pair.outgoing.do((call) => call.startVideo()),
    pair.incoming.do((call) => call.startVideo()),
  ]);
  await bothSee(pair);
  await bothHear(pair);
  await hangUp(pair.outgoing, pair.incoming);
});

test("nothing of the callee leaves before its answer", async () => {
  const { alice, bob, outgoing, incoming } = await ringing();
  // The callee has made everything that it will answer with.
  await expect.poll(async () => (await bob.sample()).gathering, soon).toBe("complete");
  const before = await alice.sample();
  expect(before.remoteCandidates).toBe(0);
  expect(before.checks).toEqual({ received: 0, sent: 0 });
  expect((await bob.sample()).checks).toEqual({ received: 0, sent: 0 });
  expect(await alice.page.evaluate(() => window.harness.peers.at(-1)?.remoteDescription)).toBeNull();
  expect(bob.sent.flatMap((frame) => (frame.type === "call" ? [frame.op.op] : []))).toEqual(["ringing"]);

  await incoming.answer();
  await outgoing.until("established");
  await bothHear({ alice, bob });
  const heard = alice.received.flatMap((frame) => (frame.type === "call" ? [frame.event] : []));
  const early = heard.slice(
    0,
    heard.findIndex(({ event }) => event === "answered"),
  );
  expect(early.length).toBeGreaterThan(0);
  for (const event of early) expect(["progressing", "ringing"]).toContain(event.event);
  expect(JSON.stringify(early)).not.toMatch(/candidate|v=0|ufrag|fingerprint/);
});

test("ICE restarts in the middle of a call, and media goes on", async () => {
  const { alice, bob, outgoing, incoming } = await established();
  await bothHear({ alice, bob });
  const before = await Promise.all([alice.sample(), bob.sample()]);
  await alice.page.evaluate(() => window.harness.peers.at(-1)?.restartIce());
  await expect.poll(async () => (await alice.sample()).ufrag, soon).not.toBe(before[0].ufrag);
  await expect.poll(async () => (await bob.sample()).ufrag, soon).not.toBe(before[1].ufrag);
  await bothHear({ alice, bob });
  expect(await outgoing.state()).toBe("established");
  await hangUp(incoming, outgoing);
});

test("both users behind the relay only", async () => {
  const phones = await twoPhones({ client: { forceRelay: true } });
  const pair = await established({}, phones);
  await bothHear(pair);
  for (const phone of [pair.alice, pair.bob])
    expect((await phone.sample()).path).toEqual({ local: "relay", remote: "relay" });
});
