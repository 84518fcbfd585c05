/** Calls between two browsers, and what has to be seen of their media. */
import { expect } from "vitest";
import type { CallOptions } from "../../../sdk/src";
import { Phone, type PhoneCall, type PhoneOptions, soon } from "./phone";
import type { Sample } from "./sample";

export interface Pair {
  alice: Phone;
  bob: Phone;
  /** The caller's side. */
  outgoing: PhoneCall;
  incoming: PhoneCall;
}

/** Two users at two browsers. */
export async function twoPhones(options: PhoneOptions = {}): Promise<{ alice: Phone; bob: Phone }> {
  const [alice, bob] = await Promise.all([Phone.open("alice", options), Phone.open("bob", options)]);
  return { alice, bob };
}

/** alice calls, and it rings at bob's. */
export async function ringing(
  options: CallOptions = {},
  phones?: { alice: Phone; bob: Phone },
): Promise<Pair> {
  const { alice, bob } = phones ?? (await twoPhones());
  const outgoing = await alice.call(bob, options);
  const incoming = await bob.incoming();
  await outgoing.until("ringing");
  return { alice, bob, outgoing, incoming };
}

/** alice calls, bob answers, and media runs both ways. */
export async function established(
  options: CallOptions = {},
  phones?: { alice: Phone; bob: Phone },
): Promise<Pair> {
  const pair = await ringing(options, phones);
  await pair.incoming.answer();
  await Promise.all([pair.outgoing.until("established"), pair.incoming.until("established")]);
  return pair;
}

/** From now on, something is heard here: more packets, and sound in them. */
export async function hears(phone: Phone): Promise<void> {
  const before = await phone.sample();
  await expect
    .poll(async () => {
      const now = await phone.sample();
      return (
        now.audio.bytes > before.audio.bytes &&
        now.audio.energy > before.audio.energy + audible &&
        now.sent.audioBytes > before.sent.audioBytes
      );
    }, soon)
    .toBe(true);
}

/** From now on, pictures are seen here. */
export async function sees(phone: Phone, frames = 5): Promise<void> {
  const before = await phone.sample();
  await expect
    .poll(async () => (await phone.sample()).video.decoded, soon)
    .toBeGreaterThanOrEqual(before.video.decoded + frames);
}

/** Waits until so many more seconds were played, out of packets that came: a clock that runs with the media. */
export async function played(phone: Phone, seconds: number): Promise<Sample> {
  const before = await phone.sample();
  await expect
    .poll(
      async () => {
        const { audio } = await phone.sample();
        return (
          audio.seconds - before.audio.seconds > seconds &&
          audio.packets - before.audio.packets > seconds * leastPackets
        );
      },
      { ...soon, timeout: soon.timeout + seconds * 1_000 },
    )
    .toBe(true);
  return phone.sample();
}

/** A second; packets hold 10 or 20 ms. */
const leastPackets = 40;

/** Of `totalAudioEnergy`: Chromium's fake microphone beeps once a second or so, much louder than this. */
const audible = 1e-4;

/** From some moment on: more than a second of silence, while packets go on. */
export async function hearsSilence(phone: Phone): Promise<void> {
  // What was on its way is played first; that takes longer on a machine that is busy.
  await played(phone, 0.5);
  const heard = async () => {
    const before = await phone.sample();
    const after = await played(phone, 1.2);
    return after.audio.energy - before.audio.energy;
  };
  await expect.poll(heard, soon).toBeLessThan(audible);
}

export const bothHear = ({ alice, bob }: Pick<Pair, "alice" | "bob">) =>
  Promise.all([hears(alice), hears(bob)]);
export const bothSee = ({ alice, bob }: Pick<Pair, "alice" | "bob">) => Promise.all([sees(alice), sees(bob)]);

/**
 * Listens all the time from now on. `stop()` answers the longest silence in milliseconds: while looked
 * at again and again, no packet came, or there was no sound in them.
 */
export async function listen(phone: Phone): Promise<{ stop(): Promise<number> }> {
  const listening = await phone.page.evaluateHandle(() => {
    const peer = window.harness.peers.at(-1);
    const signs = [
      { name: "packetsReceived", least: 1, value: 0, silentMs: 0 },
      { name: "totalAudioEnergy", least: 1e-4, value: 0, silentMs: 0 },
    ];
    let longest = 0;
    let lookedAt = performance.now();
    const look = async () => {
      (await peer?.getStats())?.forEach((entry) => {
        if (entry.type !== "inbound-rtp" || entry.kind !== "audio") return;
        const now = performance.now();
        for (const sign of signs) {
          // A look that came late and finds more than before says nothing of a silence.
          const grown = entry[sign.name] >= sign.value + sign.least;
          if (grown) sign.value = entry[sign.name];
          sign.silentMs = grown ? 0 : sign.silentMs + now - lookedAt;
          longest = Math.max(longest, sign.silentMs);
        }
        lookedAt = now;
      });
    };
    const timer = setInterval(() => void look(), 100);
    return { timer, longest: () => longest };
  });
  return {
    stop: () =>
      listening.evaluate(({ timer, longest }) => {
        clearInterval(timer);
        return longest();
      }),
  };
}

/** One side hangs up, and the other one hears of it. */
export async function hangUp(one: PhoneCall, other: PhoneCall): Promise<void> {
  await one.hangup();
  expect(await other.ended()).toEqual({ endCause: "hungUp", error: undefined });
  expect(await one.ended()).toEqual({ endCause: "hungUp", error: undefined });
}
