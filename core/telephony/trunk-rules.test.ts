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

const gateway = { fromDomain: "carrier.example.org", url: "wss://gw.example.org:7443/ws" };

test.each<[string[], string, boolean]>([
  [[], "bob@example.com", false],
  [["*"], "bob@example.com", true],
  [["example.com"], "bob@example.com", true],
  [["Example.com"], "bob@EXAMPLE.COM:5061", true],
  [["example.com"], "bob@sub.example.com", false],
  [["example.com"], "bob@notexample.com", false],
  [["example.com"], "bob@example.com.evil.test", false],
  [["[2001:db8::1]"], "bob@[2001:db8::1]:5060", true],
  [["[2001:db8::1]"], "bob@[2001:db8::2]", false],
  // A telephone system's own numbers are short.
  [["carrier.example.org"], "200@carrier.example.org", true],
  [["carrier.example.org"], "bob@carrier.example.org", true],
  // What is a phone call goes by the rules of phone calls, however it is written.
  [["carrier.example.org", "*"], "+46900123456@carrier.example.org", false],
  [["carrier.example.org"], "0900123456@carrier.example.org:5060", false],
  [["carrier.example.org"], "%2B46900123456@carrier.example.org", false],
  [["carrier.example.org"], "+46-900-123.456;phone-context=x@carrier.example.org", false],
  [["gw.example.org"], "0046900123456@gw.example.org.", false],
  [["*"], "+46900123456@example.com", false],
  [["example.com"], "+46900123456@example.com", true],
  // All of the world's domains are not the gateway's own network.
  [["*"], "bob@carrier.example.org", false],
  [["*"], "bob@gw.example.org", false],
  [["*"], "x@127.0.0.1:22", false],
  [["*"], "x@10.0.0.1", false],
  [["*"], "x@localhost", false],
  [["*"], "x@db", false],
  [["*"], "x@db.internal", false],
  [["127.0.0.1"], "x@127.0.0.1:5080", true],
])("of %j: %s may be reached: %s", (domains, address, allowed) => {
  expect(mayReach({ domains, ...gateway }, address)).toBe(allowed);
});
