/** What a call outlives: a dead network, a dead relay, and a dead server. */
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from "vitest";
import { type Relay, startRelay } from "../support/coturn";
import { removeState, type Server, startServer } from "../support/server";
import {
  bothHear,
  established,
  hangUp,
  hears,
  hearsSilence,
  listen,
  played,
  twoPhones,
} from "./support/calls";
import { openGate } from "./support/gate";
import { Phone, soon, useBrowser } from "./support/phone";

useBrowser();

test("a browser is offline for 10 seconds", async () => {
  const server = inject("server");
  const gate = await openGate(server.port);
  onTestFinished(() => gate.close());
  const [alice, bob] = await Promise.all([Phone.open("alice", { url: gate.url }), Phone.open("bob")]);
  const { outgoing, incoming } = await established({}, { alice, bob });
  await bothHear({ alice, bob });

  gate.shut();
  await alice.page.context().setOffline(true);
  // Said on either side while they cannot reach each other. Media goes from browser to browser.
  await outgoing.do((call) => call.mute());
  await incoming.do((call) => call.mute());
  const during = await played(alice, 10);
  expect(during.iceState).toBe("connected");
  expect(await outgoing.do((call) => call.remoteMedia.muted)).toBe(false);
  expect(await incoming.do((call) => call.remoteMedia.muted)).toBe(false);
  expect(await outgoing.state()).toBe("established");

  gate.open();
  await alice.page.context().setOffline(false);
  await expect.poll(() => outgoing.do((call) => call.remoteMedia.muted), soon).toBe(true);
  await expect.poll(() => incoming.do((call) => call.remoteMedia.muted), soon).toBe(true);
  await hearsSilence(bob);
  await outgoing.do((call) => call.unmute());
  await hears(bob);
  await hangUp(outgoing, incoming);
});

describe("with a server and a relay that can be killed", () => {
  let relay: Relay;
  let server: Server;

  beforeAll(async () => {
    relay = await startRelay();
    server = await startServer({ env: relay.env });
  });
  afterAll(async () => {
    await Promise.all([relay.stop(), server.kill()]);
    removeState(server.state);
  });

  test("the relay goes and another one comes: media finds the new way", async () => {
    const phones = await twoPhones({ server, client: { forceRelay: true } });
    const { outgoing, incoming } = await established({}, phones);
    await bothHear(phones);
    const before = await phones.alice.sample();
    await relay.stop();
    relay = await startRelay(relay.port);
    await expect.poll(async () => (await phones.alice.sample()).ufrag, soon).not.toBe(before.ufrag);
    await bothHear(phones);
    expect(await outgoing.state()).toBe("established");
    await hangUp(outgoing, incoming);
  });

  test("the server is killed and started again: nobody hears of it", async () => {
    const { alice, bob } = await twoPhones({ server });
    const { outgoing, incoming } = await established({}, { alice, bob });
    await bothHear({ alice, bob });
    const listening = await Promise.all([listen(alice), listen(bob)]);

    await server.kill();
    await bothHear({ alice, bob });
    server = await startServer({ state: server.state, port: server.port, env: relay.env });
    await Promise.all([alice.untilOnline(true), bob.untilOnline(true)]);
    await bothHear({ alice, bob });
    for (const ears of listening) expect(await ears.stop()).toBeLessThan(2_000);

    await outgoing.do((call) => call.mute());
    await expect.poll(() => incoming.do((call) => call.remoteMedia.muted), soon).toBe(true);
    expect(await outgoing.state()).toBe("established");
    expect(await incoming.state()).toBe("established");
    await hangUp(incoming, outgoing);
  });
});
