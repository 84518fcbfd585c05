/** A telephone in a conference: one of the participants' browsers is its host. */
import { expect, test } from "vitest";
import { conferenceOf, Guest, rest } from "./support/conference";
import { soon, useBrowser } from "./support/phone";
import { Telephone } from "./support/telephone";

useBrowser();

const number = "+46701234567";
const later = { ...soon, timeout: 30_000 };
const ascending = (tones: number[]) => [...tones].sort((one, other) => one - other);

/** From some moment on each of these hears exactly the others, and the telephone all of them. */
async function allHear(guests: Guest[], telephone: Telephone): Promise<void> {
  for (const guest of guests) {
    const others = [telephone, ...guests.filter((other) => other !== guest)].map(({ tone }) => tone);
    const played = async () => ascending(await guest.ears((ears) => ears.played()));
    await expect.poll(played, later).toEqual(ascending(others));
  }
  await expect.poll(() => telephone.hears(), later).toEqual(ascending(guests.map(({ tone }) => tone)));
}

/** What this guest knows of the telephones. */
const phonesOf = (guest: Guest) =>
  guest.call.do(({ participants }) =>
    participants.filter(({ line }) => line).map(({ id, userId, line }) => ({ id, userId, line })),
  );

/** Two users, and a telephone that the second one has called into the conference. */
async function withTelephone() {
  const { name, guests } = await conferenceOf(2);
  const [alice, bob] = guests;
  if (!alice || !bob) throw new Error("nobody");
  const telephone = await Telephone.open();
  const told = await bob.call.handle.evaluateHandle((call) => {
    const states: string[] = [];
    call.on("invitation", ({ state }) => states.push(state));
    return states;
  });
  const id = await bob.call.handle.evaluate((call, number) => call.invitePhoneNumber(number), number);
  await expect.poll(() => told.jsonValue(), soon).toContain("ringing");
  expect(await phonesOf(alice)).toEqual([]);
  await telephone.answer();
  await expect.poll(() => told.jsonValue(), soon).toEqual(["progressing", "ringing", "answered"]);
  for (const guest of guests) {
    await expect.poll(() => phonesOf(guest), soon).toEqual([{ id, userId: number, line: "phone" }]);
  }
  await allHear(guests, telephone);
  return { name, alice, bob, telephone, id };
}

test("a telephone is called in, hears all and is heard by all, and hangs up", {
  timeout: 120_000,
}, async () => {
  const { name, alice, bob, telephone, id } = await withTelephone();
  const speaking = (guest: Guest) =>
    guest.call.do(({ participants }) =>
      participants.flatMap(({ speaking, id }) => (speaking ? [id] : [])).sort(),
    );
  await expect.poll(() => speaking(alice), soon).toEqual([bob.id, id].sort());
  await expect.poll(() => speaking(bob), soon).toEqual([alice.id, id].sort());
  // The SDK mutes here, in the mix too.
  await alice.call.do((call) => call.mute());
  await expect.poll(() => telephone.hears(), later).toEqual([bob.tone]);
  await expect.poll(() => speaking(bob), soon).toEqual([id]);
  await alice.call.do((call) => call.unmute());
  const carol = await Guest.join(name, 2);
  await allHear([alice, bob, carol], telephone);
  await carol.call.hangup();
  await allHear([alice, bob], telephone);
  await telephone.hangUp();
  for (const guest of [alice, bob]) await expect.poll(() => phonesOf(guest), soon).toEqual([]);
});

test("the app's server mutes the telephone, and holds it", { timeout: 120_000 }, async () => {
  const { name, alice, bob, telephone, id } = await withTelephone();
  await rest("PATCH", name, { id }, { command: "mute" });
  for (const [guest, other] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await expect.poll(() => guest.ears((ears) => ears.played()), later).toEqual([other.tone]);
  }
  await expect.poll(() => telephone.hears(), later).toEqual(ascending([alice.tone, bob.tone]));
  await rest("PATCH", name, { id }, { command: "unmute" });
  await allHear([alice, bob], telephone);
  await rest("PATCH", name, { id }, { command: "onhold" });
  await expect.poll(() => telephone.hears(), later).toEqual([]);
  await rest("PATCH", name, { id }, { command: "resume" });
  await allHear([alice, bob], telephone);
});

test("the host leaves, and the telephone goes on with another one", { timeout: 120_000 }, async () => {
  const { name, alice, bob, telephone, id } = await withTelephone();
  const hosts = () =>
    Promise.all(
      [alice, bob].map((guest) =>
        guest.phone.page.evaluate(
          () => window.harness.peers.filter(({ connectionState }) => connectionState !== "closed").length,
        ),
      ),
    );
  // A connection with the other one, and one of them has the telephone's.
  const [ofAlice = 0, ofBob = 0] = await hosts();
  expect(ofAlice + ofBob).toBe(3);
  const [host, other] = ofAlice === 2 ? [alice, bob] : [bob, alice];
  await host.call.hangup();
  const began = Date.now();
  await allHear([other], telephone);
  const gap = Date.now() - began;
  console.log(`the host of a phone left: both hear each other again after ${gap} ms`);
  expect(gap).toBeLessThan(4_000);
  expect(await telephone.state()).toBe("talks");
  expect(await phonesOf(other)).toEqual([{ id, userId: number, line: "phone" }]);
  const carol = await Guest.join(name, 2);
  await allHear([other, carol], telephone);
  // Nobody is left to carry it.
  await carol.call.hangup();
  await other.call.hangup();
  await expect.poll(() => telephone.state(), later).toBeUndefined();
});

test("a telephone that declines does not come", async () => {
  const { guests } = await conferenceOf(1);
  const [alice] = guests;
  if (!alice) throw new Error("nobody");
  const telephone = await Telephone.open();
  const ended = alice.call.handle.evaluateHandle(
    (call) =>
      new Promise<string | undefined>((resolve) => {
        call.on("invitation", ({ state, endCause }) => state === "ended" && resolve(endCause));
      }),
  );
  await alice.call.handle.evaluate((call, number) => void call.invitePhoneNumber(number), number);
  await telephone.page.getByRole("button", { name: "Decline" }).click();
  expect(await (await ended).jsonValue()).toBe("denied");
  expect(await phonesOf(alice)).toEqual([]);
});
