import { describe, expect, it } from "vitest";
import { addressOf, isUser, kindOf, problemWith, remembered } from "./destination";

describe("what was typed", () => {
  it.each([
    ["bob", "user"],
    ["46701234567", "user"],
    ["+46 70-123 45 67", "phone"],
    ["+1 (415) 555.0101", "phone"],
    ["+", "phone"],
    ["tel:+46-70-1234567", "phone"],
    ["+bob", "user"],
    ["echo@example.com", "sip"],
    ["echo@10.0.0.1:5060", "sip"],
    ["sip:echo", "sip"],
    ["bob@196087a1-e815-4bc4-8984-60d8d8a43f1d", "user"],
    ["bob@home", "user"],
    ["", "user"],
  ] as const)("%s is a %s", (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it("is called without what only people read", () => {
    expect(addressOf(" +46 (70) 123-45.67 ", "phone")).toBe("+46701234567");
    expect(addressOf("SIP:echo@example.com", "sip")).toBe("echo@example.com");
    expect(addressOf(" bob ", "user")).toBe("bob");
  });

  it("is remembered as what it was", () => {
    for (const [address, kind] of [
      ["+46701234567", "phone"],
      ["echo@local", "sip"],
    ] as const) {
      const one = remembered(address, kind);
      expect([kindOf(one), addressOf(one, kind), isUser(one)]).toEqual([kind, address, false]);
    }
    expect(isUser(remembered("bob@example.com"))).toBe(true);
  });

  it("says what is missing", () => {
    expect(problemWith("0701234567", "phone")).toMatch(/begins with \+/);
    expect(problemWith("+46x", "phone")).toMatch(/digits only/);
    expect(problemWith("echo", "sip")).toMatch(/domain/);
    for (const [text, kind] of [
      ["", "phone"],
      ["+46701234567", "phone"],
      ["a@b.c", "sip"],
      ["x", "user"],
    ] as const)
      expect(problemWith(text, kind)).toBeUndefined();
  });
});
