import { describe, expect, it } from "vitest";
import { readPhoneNumber, testNumber } from "./phone-number";

const detailOf = (text: string) => {
  const read = readPhoneNumber(text);
  return read.ok ? "" : `${read.error.name}: ${read.error.detail}`;
};

describe("a phone number", () => {
  it.each([
    ["+14155550101", "1"],
    ["+46701740605", "46"],
    ["+4930123456", "49"],
  ])("%s is one, of calling code %s", (number, countryCallingCode) => {
    expect(readPhoneNumber(number)).toEqual({
      ok: true,
      value: { number, countryCallingCode, premium: false },
    });
  });

  it.each([
    "+46900123456",
    "+449098790879",
    "+19002345678",
    "+499001234567",
    "+4990012345671",
    "+46900123451111",
    "+279001234561",
    "+90900123456711",
    "+447012345678",
  ])("%s is premium-rate", (number) => {
    expect(readPhoneNumber(number)).toMatchObject({ ok: true, value: { premium: true } });
  });

  it.each([
    ["14155550101", /begin with \+/],
    ["0701740605", /begin with \+/],
    ["0046701740605", /begin with \+/],
    ["", /begin with \+/],
    ["+", /digits only/],
    ["+1 415 555 0101", /digits only/],
    ["+1415CALLME1", /digits only/],
    ["+1415555010\r\n1", /digits only/],
    ["+1415555٣101", /digits only/],
    ["+46", /too short|no country/],
    ["+4670", /too short/],
    ["+1415", /too short/],
    ["+4670174060512345678", /too long/],
    ["+9990123456", /no country/],
  ])("%j is refused, and why", (text, why) => {
    expect(detailOf(text)).toMatch(/^invalidValue: to: /);
    expect(detailOf(text)).toMatch(why);
  });

  it.each([
    ["+460701740605", "+46701740605"],
    ["+4403069990000", "+443069990000"],
    ["+11415 5550101".replace(" ", ""), "+14155550101"],
  ])("%s is no other way to dial %s: rules and rates go by what it begins with", (text, number) => {
    expect(detailOf(text)).toContain(`write it as ${number}`);
  });

  it("leaves the test number to whom it belongs", () => {
    expect(testNumber).toBe("+46000000000");
  });
});
