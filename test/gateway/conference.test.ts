/** A telephone behind a real gateway in a conference, and another host for it. */
import { expect, inject, test } from "vitest";
import { eachHearsEach, Guest } from "../browser/support/conference";
import { someone } from "../browser/support/phone";
import { phoneTone } from "../support/gateway/sip-phone";
import { numbers, soon, theApplication, theGateway, useGateway } from "./support/world";

useGateway();

/** The loudest frequency in what a participant says, Hz, or 0 for silence. */
const loudest = (guest: Guest, id: string) =>
  guest.call.handle.evaluate(async (call, id) => {
    const stream = call.participants.find((one) => one.id === id)?.stream;
    if (!stream?.getAudioTracks().length) return 0;
    const context = new AudioContext();
    const analyser = new AnalyserNode(context, { fftSize: 4_096, smoothingTimeConstant: 0 });
    context.createMediaStreamSource(stream).connect(analyser);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const levels = new Float32Array(analyser.frequencyBinCount);
    analyser.getFloatFrequencyData(levels);
    const at = levels.reduce((best, level, here) => (level > (levels[best] ?? level) ? here : best), 0);
    const heard = (levels[at] ?? Number.NEGATIVE_INFINITY) > -70;
    await context.close();
    return heard ? (at * context.sampleRate) / analyser.fftSize : 0;
  }, id);

test("a telephone talks with two, and goes on with the other one when its host leaves", {
  timeout: 120_000,
}, async () => {
  const { applicationKey, applicationSecret } = theApplication();
  const server = { ...inject("server"), applicationKey, applicationSecret };
  const name = someone("room");
  const [alice, bob] = [await Guest.join(name, 3, { server }), await Guest.join(name, 6, { server })];
  await eachHearsEach([alice, bob]);

  const id = await alice.call.handle.evaluate(
    (call, number) => call.invitePhoneNumber(number),
    numbers.phone as string,
  );
  const leg = await theGateway().phone.incoming();
  leg.answer();
  const isPhone = (hertz: number) => Math.abs(hertz - phoneTone) < 15;
  for (const guest of [alice, bob]) {
    await expect.poll(async () => isPhone(await loudest(guest, id)), soon).toBe(true);
  }
  for (const { tone } of [alice, bob]) {
    await expect.poll(() => leg.phone.listen(tone), soon).toBeGreaterThan(0.3);
  }

  // The first one who came is its host.
  await alice.call.hangup();
  const began = Date.now();
  await expect.poll(() => leg.phone.listen(bob.tone), { ...soon, timeout: 30_000 }).toBeGreaterThan(0.9);
  await expect.poll(async () => isPhone(await loudest(bob, id)), soon).toBe(true);
  console.log(`behind a gateway, with another host: both hear each other after ${Date.now() - began} ms`);
  await bob.call.hangup();
  await leg.closed();
});
