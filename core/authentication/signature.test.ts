import fc from "fast-check";
import { expect, test } from "vitest";
import { isRegistrationSignature, parseSequence, registrationSignature } from "./signature";

const applicationKey = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const secret = "oYdgGRXoxEuJhGDY2KQ/HQ==";

test.each([
  ["foo", "4sk2/7AD0VoGke0qc1ZiJ2BtzYA="],
  ["alice", "7NYSnv8J5/aLOjlQALjGY+OmdD4="],
])("the vector of %s, sequence 1", async (userId, signature) => {
  const what = { applicationKey, userId, sequence: "1" };
  expect(await registrationSignature(what, secret)).toBe(signature);
  expect(await isRegistrationSignature(what, signature, ["AAAA", secret])).toBe(true);
  expect(await isRegistrationSignature({ ...what, sequence: "2" }, signature, [secret])).toBe(false);
  expect(await isRegistrationSignature(what, signature, [])).toBe(false);
});

test.each([
  [0, "0"],
  [1, "1"],
  ["1", "1"],
  [Number.MAX_SAFE_INTEGER, "9007199254740991"],
  ["18446744073709551615", "18446744073709551615"],
])("the sequence %s is a uint64", (value, sequence) => {
  expect(parseSequence(value)).toBe(sequence);
});

test.each([
  [-1],
  ["-1"],
  [1.5],
  ["1.5"],
  ["18446744073709551616"],
  [2 ** 53],
  [1e21],
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [""],
  ["01"],
  [" 1"],
  ["1\n"],
  ["0x1"],
  ["١"],
  [null],
  [undefined],
  [{}],
  [[1]],
  [true],
])("the sequence %j is refused", (value) => {
  expect(parseSequence(value)).toBeUndefined();
});

test("every uint64 is its own decimal", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 2n ** 64n - 1n), (value) => {
      expect(parseSequence(String(value))).toBe(String(value));
    }),
  );
});
