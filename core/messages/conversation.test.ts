import fc from "fast-check";
import { expect, test } from "vitest";
import { isUserId } from "../../protocol";
import { conversationKey } from "./conversation";

const userId = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  minLength: 1,
  maxLength: 40,
});
/** Few and short ones, so that sets are often the same or nearly so. */
const participant = fc.oneof(fc.constantFrom("", "a", "b", "ab", "a#", "#"), userId);
const participants = fc.array(participant, { minLength: 1, maxLength: 6 });
const setOf = (ids: string[]) => JSON.stringify([...new Set(ids)].sort());

test("two sets of participants have one key when they are one set, and only then", async () => {
  await fc.assert(
    fc.asyncProperty(participants, participants, async (one, other) => {
      const same = (await conversationKey(one)) === (await conversationKey(other));
      expect(same).toBe(setOf(one) === setOf(other));
    }),
    { numRuns: 2_000 },
  );
});

test("neither order nor repetition matters, and a key is short", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(participant, { minLength: 1, maxLength: 257 }), fc.gen(), async (ids, gen) => {
      const key = await conversationKey(ids);
      const shuffled = gen(fc.shuffledSubarray, [...ids, ...ids], { minLength: ids.length * 2 });
      expect(await conversationKey(shuffled)).toBe(key);
      expect(key.length).toBeLessThanOrEqual(81);
    }),
    { numRuns: 200 },
  );
});

test("what a key looks like", async () => {
  expect(await conversationKey(["bob", "alice"])).toBe("alice bob");
  expect(await conversationKey(["", "alice"])).toBe(" alice");
  expect(await conversationKey(["alice", "alice"])).toBe("alice");
  const ofThree = await conversationKey(["alice", "bob", "carol"]);
  expect(ofThree).toMatch(/^#[\w-]{43}$/);
  expect(isUserId(ofThree)).toBe(false);
});
