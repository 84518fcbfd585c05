import fc from "fast-check";
import { expect, test } from "vitest";
import { mayDial, mayReach } from "./trunk-rules";

const sweden = { premium: false, countryCallingCode: "46" };
const premium = { ...sweden, premium: true };

test.each<[string[], string, boolean]>([
  [["+"], "+46701234567", true],
  [[], "+46701234567", false],
  [["+47"], "+46701234567", false],
  [["+46", "!+46900"], "+46900123456", false],
  [["!+46900", "+46"], "+46701234567", true],
  [["+46", "!+46900", "+4690012"], "+46900123456", true],
  [["!+", "+46"], "+46701234567", true],
  [["!+", "+46"], "+4712345678", false],
  // The whole number is a prefix, too; a longer one is none.
  [["+46701234567"], "+46701234567", true],
  [["+467012345678"], "+46701234567", false],
  // Who writes both means the one that costs nothing.
  [["+46", "!+46"], "+46701234567", false],
  [["!+46", "+46"], "+46701234567", false],
  [["!+46", "+46", "+46"], "+46701234567", false],
])("of %j: %s may be dialled: %s", (prefixes, number, allowed) => {
  expect(mayDial({ prefixes }, number, sweden)).toBe(allowed);
});

test.each<[string[], boolean]>([
  [["+"], false],
  [["+46"], false],
  [["+4"], false],
  [["+469"], true],
  [["+46", "+46900"], true],
  [["+46900", "!+469001"], false],
])("a premium-rate number wants a prefix of more than its country's: %j: %s", (prefixes, allowed) => {
  expect(mayDial({ prefixes }, "+469001234", premium)).toBe(allowed);
});

const digits = (max: number) => fc.string({ unit: fc.constantFrom("1", "2"), maxLength: max });
const rules = fc.array(fc.tuple(fc.boolean(), digits(4)).map(([not, text]) => `${not ? "!" : ""}+${text}`));

test("the order of the rules is nothing to them", () => {
  fc.assert(
    fc.property(rules, digits(6), fc.boolean(), (prefixes, number, isPremium) => {
      const kind = { premium: isPremium, countryCallingCode: "1" };
      const other = mayDial({ prefixes: prefixes.toReversed() }, `+${number}`, kind);
      expect(mayDial({ prefixes }, `+${number}`, kind)).toBe(other);
    }),
  );
});

test("a prefix that refuses never lets a number through that was refused without it", () => {
  fc.assert(
    fc.property(rules, digits(4), digits(6), (prefixes, refused, number) => {
      const kind = { premium: false, countryCallingCode: "1" };
      const more = [...prefixes, `!+${refused}`];
      if (mayDial({ prefixes: more }, `+${number}`, kind)) {
        expect(mayDial({ prefixes }, `+${number}`, kind)).toBe(true);
      }
    }),
  );
});

test.each<[string[], string, boolean]>([
  [[], "example.com", false],
  [["*"], "example.com", true],
  [["example.com"], "example.com", true],
  [["Example.com"], "EXAMPLE.COM:5061", true],
  [["example.com"], "sub.example.com", false],
  [["example.com"], "notexample.com", false],
  [["example.com"], "example.com.evil.test", false],
  [["[2001:db8::1]"], "[2001:db8::1]:5060", true],
  [["[2001:db8::1]"], "[2001:db8::2]", false],
])("of %j: %s may be reached: %s", (domains, domain, allowed) => {
  expect(mayReach({ domains }, domain)).toBe(allowed);
});
