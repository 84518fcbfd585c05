import fc from "fast-check";
import { expect, test } from "vitest";
import { isMessageId, timeOfMessageId } from "../../protocol";
import { lowestMessageId, newMessageId } from "./message-id";

const time = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const random = fc.uint8Array({ minLength: 10, maxLength: 10 });

test("an id is a UUIDv7 that tells its time, and in the order of time", () => {
  fc.assert(
    fc.property(time, time, random, random, (one, other, bits, otherBits) => {
      const id = newMessageId(one, bits);
      expect(isMessageId(id)).toBe(true);
      expect("89ab").toContain(id[19]);
      expect(timeOfMessageId(id)).toBe(one);
      expect(newMessageId(other, otherBits) < lowestMessageId(one)).toBe(other < one);
    }),
  );
});

test("all of the random bits are in it", () => {
  expect(newMessageId(0, new Uint8Array(10).fill(255))).toBe("00000000-0000-7fff-bfff-ffffffffffff");
  expect(newMessageId(0, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10))).toBe(
    "00000000-0000-7010-8304-05060708090a",
  );
});
