/** Conferences in a mesh: everybody is a real browser and sends a tone of its own; it is the tones that count. */
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { removeState, type Server, startServer } from "../support/server";
import {
  conferenceOf,
  eachHearsEach,
  eachKnowsEach,
  expectNoGap,
  Guest,
  isSilent,
  listenAll,
  rest,
} from "./support/conference";
import { openGate } from "./support/gate";
import { soon, useBrowser } from "./support/phone";

useBrowser();

test("three hear each other, and who leaves is gone", async () => {
  const { name, guests } = await conferenceOf(3);
  for (const guest of guests) expect(await guest.connections()).toBe(2);
  const [, leaver] = guests;
  await leaver?.call.hangup();
  expect(await leaver?.call.ended()).toEqual({ endCause: "hungUp", error: undefined });
  const rest = guests.filter((guest) => guest !== leaver);
  await eachHearsEach(rest);
  for (const guest of rest) expect(await guest.connections()).toBe(1);
  await eachHearsEach([...rest, await Guest.join(name, 3)]);
});

test("six hear each other", { timeout: 120_000 }, async () => {
  const { guests } = await conferenceOf(6);
  for (const guest of guests) expect(await guest.connections()).toBe(5);
  const listening = await listenAll(guests);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  expectNoGap("six in a mesh", await listening.stop());
});

test("the app's server mutes one, holds one, and takes one out", { timeout: 90_000 }, async () => {
  const { name, guests } = await conferenceOf(3);
  const [alice, bob, carol] = guests;
  if (!alice || !bob || !carol) throw new Error("nobody");
  const times: number[] = [];
  for (let round = 0; round < 3; round++) {
    await listenAll(guests, 5);
    const began = await rest("PATCH", name, bob, { command: "mute" });
    await isSilent(bob, guests);
    const silent = [await alice.heard(bob), await carol.heard(bob)].map(({ silentAt }) => silentAt - began);
    times.push(Math.max(...silent));
    await expect.poll(() => bob.sends(), soon).toBe(0);
    // The person at bob's has muted nothing, and is told.
    expect(await bob.call.do((call) => call.muted)).toBe(false);
    const seen = () =>
      alice.call.do(({ participants }) => participants.map(({ muted, silenced }) => ({ muted, silenced })));
    await expect.poll(seen, soon).toContainEqual({ muted: true, silenced: true });
    // Muting and unmuting oneself changes nothing.
    await bob.call.do((call) => call.mute());
    await bob.call.do((call) => call.unmute());
    expect(await bob.sends()).toBe(0);
    await rest("PATCH", name, bob, { command: "unmute" });
    await eachHearsEach(guests);
  }
  console.log(`REST mute → silence at the others: ${times.map((time) => `${time} ms`).join(", ")}`);

  await rest("PATCH", name, bob, { command: "onhold" });
  await isSilent(bob, guests);
  await expect.poll(() => bob.ears((ears) => ears.played()), soon).toEqual([]);
  await rest("PATCH", name, bob, { command: "resume" });
  await eachHearsEach(guests);

  // One who goes on sending is received, and not heard.
  await rest("PATCH", name, bob, { command: "mute" });
  await isSilent(bob, guests);
  await bob.sendsAnyway();
  await expect.poll(() => alice.ears((ears) => ears.received()), soon).toContain(bob.tone);
  await listenAll(guests);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(await alice.ears((ears) => ears.received())).toContain(bob.tone);
  for (const one of [alice, carol]) {
    expect((await one.heard(bob)).heard).toBe(false);
    expect(await one.ears((ears) => ears.played())).not.toContain(bob.tone);
  }

  await rest("DELETE", name, bob);
  expect(await bob.call.ended()).toEqual({ endCause: "hungUp", error: "removed" });
  await eachHearsEach([alice, carol]);
  expect(await bob.connections()).toBe(0);
});

test("who loses the network keeps the seat, and is heard all the time", { timeout: 90_000 }, async () => {
  const gate = await openGate(inject("server").port);
  const { name, guests } = await conferenceOf(2);
  const carol = await Guest.join(name, 2, { url: gate.url });
  const all = [...guests, carol];
  await eachHearsEach(all);
  const [alice] = guests;
  const away = () =>
    alice?.call.do(({ participants }) => participants.flatMap(({ id, away }) => (away ? [id] : [])));
  const listening = await listenAll(all);
  gate.cut();
  await carol.phone.page.context().setOffline(true);
  await expect.poll(away, soon).toEqual([carol.id]);
  await eachHearsEach(all);
  gate.open();
  await carol.phone.page.context().setOffline(false);
  await expect.poll(away, soon).toEqual([]);
  await eachHearsEach(all);
  expectNoGap("a network away", await listening.stop());
  // Its word counts.
  await carol.call.do((call) => call.mute());
  await isSilent(carol, all);
  await gate.close();
});

test("a page that is loaded again is a new participant, and the old one is gone", async () => {
  const { name, guests } = await conferenceOf(3);
  const [alice, bob, carol] = guests;
  if (!alice || !bob || !carol) throw new Error("nobody");
  const again = await carol.reload(name);
  expect(again.id).not.toBe(carol.id);
  await eachHearsEach([alice, bob, again]);
});

describe("with a server that can be killed", () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => {
    await server.kill();
    removeState(server.state);
  });

  test("four hear each other all the time, and a fifth joins", { timeout: 120_000 }, async () => {
    const { name, guests } = await conferenceOf(4, { server });
    const listening = await listenAll(guests);
    await server.kill();
    await eachHearsEach(guests);
    server = await startServer({ state: server.state, port: server.port });
    await Promise.all(guests.map(({ phone }) => phone.untilOnline(true)));
    await eachHearsEach(guests);
    expectNoGap("a server killed", await listening.stop());
    const [alice, bob] = guests;
    if (!alice || !bob) throw new Error("nobody");
    await alice.call.do((call) => call.mute());
    await isSilent(alice, guests);
    const muted = () =>
      bob.call.do(({ participants }) => participants.flatMap(({ id, muted }) => (muted ? [id] : [])));
    await expect.poll(muted, soon).toEqual([alice.id]);
    await alice.call.do((call) => call.unmute());
    const all = [...guests, await Guest.join(name, 4, { server })];
    await eachKnowsEach(all);
    await eachHearsEach(all);
  });
});
