/** Conferences through an SFU: everybody is a real browser and sends a tone of its own; it is the tones that count. */
import { expect, test } from "vitest";
import { conferenceOf, eachHearsEach, expectNoGap, Guest, listenAll } from "./support/conference";
import { soon, useBrowser } from "./support/phone";

useBrowser();

test("the seventh moves all to the SFU, nobody hears a gap of a second, and eight hear each other", {
  timeout: 170_000,
}, async () => {
  const { name, guests } = await conferenceOf(6);
  const listening = await listenAll(guests);
  const began = Date.now();
  const seventh = await Guest.join(name, 6);
  const seven = [...guests, seventh];
  await eachHearsEach(seven, 60_000);
  const heard = Date.now() - began;
  // The mesh is given up when all is heard through the SFU.
  for (const guest of seven) await expect.poll(() => guest.connections(), soon).toBe(1);
  await eachHearsEach(seven);
  console.log(`the 7th hears all and all hear the 7th after ${heard} ms, the page of the 7th included`);
  expectNoGap("from mesh to SFU", await listening.stop());

  const eight = [...seven, await Guest.join(name, 7)];
  await eachHearsEach(eight, 60_000);
  const still = await listenAll(eight);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expectNoGap("eight through the SFU", await still.stop());

  await seventh.call.hangup();
  await eachHearsEach(eight.filter((guest) => guest !== seventh));
});
