import { describe, expect, it } from "vitest";
import { isLocal, linkWithoutToken, parseLink, suggestions } from "./link";

describe("the link of npm start", () => {
  it("is read whole, with characters that URLs escape", () => {
    expect(parseLink("#key=abc&user=a%2Bb%26c&token=x.y.z")).toEqual({
      key: "abc",
      user: "a+b&c",
      token: "x.y.z",
    });
  });

  it("may say what a push said", () => {
    const push = JSON.stringify({ v: 1, name: "Ann & Bob + 1" });
    const link = { key: "abc", user: "bob", token: "x", push };
    expect(parseLink(`#key=abc&user=bob&token=x&push=${encodeURIComponent(push)}`)).toEqual(link);
    expect(parseLink(linkWithoutToken(link))).toEqual({ key: "abc", user: "bob", token: "" });
  });

  it("has empty parts where nothing was given", () => {
    expect(parseLink("")).toEqual({ key: "", user: "", token: "" });
  });

  it("loses its token and nothing else", () => {
    const link = { key: "abc", user: "a+b&c", token: "secret" };
    const without = linkWithoutToken(link);
    expect(without).not.toContain("secret");
    expect(parseLink(without)).toEqual({ ...link, token: "" });
  });
});

describe("suggestions", () => {
  it("introduces the demo users to each other, on the developer's machine only", () => {
    expect(suggestions("alice", "127.0.0.1", [])).toEqual(["bob"]);
    expect(suggestions("bob", "localhost", ["carol"])).toEqual(["carol", "alice"]);
    expect(suggestions("alice", "calls.example.com", [])).toEqual([]);
    expect(suggestions("toString", "127.0.0.1", [])).toEqual([]);
  });

  it("names everybody once and never oneself", () => {
    expect(suggestions("alice", "127.0.0.1", ["bob", "alice"])).toEqual(["bob"]);
  });

  it("knows its own machine", () => {
    expect([isLocal("localhost"), isLocal("[::1]"), isLocal("localhost.example.com")]).toEqual([
      true,
      true,
      false,
    ]);
  });
});
