import { describe, expect, it } from "vitest";
import { addressOf, isUser, kindOf, problemWith, remembered, staysChosen } from "./destination";

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
    ["sips:echo@example.com;transport=tls", "sip"],
    ["echo@example.com;transport=tcp", "sip"],
    ['"Echo" <sip:echo@example.com>;tag=1', "sip"],
    ["\u202a+46 70 123 45 67\u202c", "phone"],
    ["\uff0b\uff14\uff1670", "phone"],
    ["+49 30/1234\u20115", "phone"],
    ["bob@196087a1-e815-4bc4-8984-60d8d8a43f1d", "user"],
    ["bob@home", "user"],
    ["#team", "conference"],
    [" #Team meeting, 9:30", "conference"],
    ["\uff03team", "conference"],
    ["", "user"],
  ] as const)("%s is a %s", (text, kind) => {
    expect(kindOf(text)).toBe(kind);
  });

  it("is called without what only people read", () => {
    expect(addressOf(" +46 (70) 123-45.67 ", "phone")).toBe("+46701234567");
    expect(addressOf("+46 (0)70-123 45 67", "phone")).toBe("+46701234567");
    expect(addressOf("+1 (0) 70", "phone")).toBe("+170");
    expect(addressOf("+46 (0)8 (0)1", "phone")).toBe("+46801");
    expect(addressOf("\u202a+49 30/1234\u20115\u202c", "phone")).toBe("+493012345");
    expect(addressOf("\uff0b\uff14\uff16\u200e70", "phone")).toBe("+4670");
    expect(addressOf("tel:+46701234567;ext=1", "phone")).toBe("+46701234567");
    for (const written of [
      "SIP:echo@example.com",
      "sips:echo@example.com;transport=tls",
      "<sip:echo@example.com;transport=tcp?subject=x>",
      'Echo <echo@example.com>;tag="1"',
      "\u2068echo@example.com\u2069",
    ])
      expect(addressOf(written, "sip")).toBe("echo@example.com");
    expect(addressOf("sip:a;b=c@example.com:5070", "sip")).toBe("a;b=c@example.com:5070");
    expect(addressOf(" #Tea\uff4d 1 ", "conference")).toBe("Tea\uff4d 1");
    expect(addressOf("team", "conference")).toBe("team");
    expect(addressOf("##1", "conference")).toBe("#1");
    expect(addressOf(" bob ", "user")).toBe("bob");
  });

  it("is remembered as what it was", () => {
    for (const [address, kind] of [
      ["+46701234567", "phone"],
      ["echo@local", "sip"],
      ["#1 team", "conference"],
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
    expect(problemWith("a b@c", "sip")).toMatch(/domain/);
    expect(problemWith("two words", "user")).toMatch(/no spaces/);
    expect(problemWith("x".repeat(41), "user")).toMatch(/40/);
    expect(problemWith("x".repeat(65), "conference")).toMatch(/64/);
    for (const [text, kind] of [
      ["", "phone"],
      ["\u{1f514}".repeat(64), "conference"],
      ["+46701234567", "phone"],
      ["a@b.c", "sip"],
      ["x", "user"],
      ["x@196087a1-e815-4bc4-8984-60d8d8a43f1d", "user"],
    ] as const)
      expect(problemWith(text, kind)).toBeUndefined();
  });

  it("is what the person said, until it is cleared or replaced by something else", () => {
    expect(staysChosen("0701", "07012")).toBe(true);
    expect(staysChosen("bob@example", "bob@example.com")).toBe(true);
    expect(staysChosen("echo@example.com", "echo")).toBe(true);
    expect(staysChosen("", "0701")).toBe(true);
    expect(staysChosen("bob", "carol")).toBe(true);
    expect(staysChosen("bob", " ")).toBe(false);
    expect(staysChosen("bob", "+46701234567")).toBe(false);
    expect(staysChosen("+46701234567", "echo@example.com")).toBe(false);
  });
});
