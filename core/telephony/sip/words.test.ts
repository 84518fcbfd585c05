import fc from "fast-check";
import { NameAddrHeader } from "sip.js/lib/grammar/name-addr-header.js";
import { URI } from "sip.js/lib/grammar/uri.js";
import { describe, expect, it, test } from "vitest";
import { sipError } from "./failures";
import { callHeadersOf, headerLines, quotable, targetOf } from "./words";

const trunk = { fromDomain: "test.local" };
const target = (line: "phone" | "sip", userId: string) =>
  targetOf({ applicationKey: "k", userId, line }, trunk)?.toString();
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it looks for.
const breaks = /[\u0000-\u001f\u007f]/;

/** Text with what could break out, more often than by chance. */
const nasty = fc.string({
  unit: fc.oneof(
    fc.constantFrom("\r", "\n", "\u0000", '"', "<", ">", ";", "\\", ":", "@", " ", "%", "x-"),
    fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 40,
});

describe("whom a call is for", () => {
  test.each<["phone" | "sip", string, string | undefined]>([
    ["phone", "+46701234567", "sip:+46701234567@test.local"],
    ["sip", "bob@example.com", "sip:bob@example.com"],
    ["sip", "b.o-b_1@example.com:5080", "sip:b.o-b_1@example.com:5080"],
    ["sip", "b%20b@example.com", "sip:b%20b@example.com"],
    ["sip", "b%ff@example.com", undefined],
    ["sip", "bob", "sip:bob"],
    ["sip", "bob@example.com>\r\nX: 1", undefined],
    ["sip", "", undefined],
  ])("%s %s: %s", (line, userId, expected) => {
    expect(target(line, userId)).toBe(expected);
  });

  it("never has what ends a line, a quote or a bracket", () => {
    fc.assert(
      fc.property(nasty, (text) => {
        const found = target("sip", `${text}@example.com`) ?? target("phone", text) ?? "";
        expect(found).not.toMatch(/[\s<>"]/);
        expect(found).not.toMatch(breaks);
      }),
    );
  });
});

describe("a display name", () => {
  it("stays between its quotes, and can be read when it comes back", () => {
    const uri = new URI("sip", "a", "b.test");
    fc.assert(
      fc.property(nasty, (text) => {
        const name = quotable(text);
        expect(name).not.toMatch(/["\\<>]/);
        expect(name).not.toMatch(breaks);
        expect(() => encodeURIComponent(name)).not.toThrow();
        const header = new NameAddrHeader(uri, name, { tag: "1" }).toString();
        expect(header).toBe(name ? `"${name}" <sip:a@b.test>;tag=1` : "<sip:a@b.test>;tag=1");
      }),
    );
    expect(quotable("Zoë Ångström 李 😀")).toBe("Zoë Ångström 李 😀");
  });
});

describe("headers of a call", () => {
  it("are one line each", () => {
    fc.assert(
      fc.property(fc.dictionary(nasty, nasty), (headers) => {
        for (const line of headerLines(headers)) {
          expect(line).toMatch(/^x-[a-z0-9-]+: /i);
          expect(line).not.toMatch(breaks);
        }
      }),
    );
    expect(headerLines({ "x-a": "1", "X-B": "<2>", from: "3" })).toEqual(["x-a: 1", "X-B: <2>"]);
  });

  it("of the far end are its x- headers, as many as fit", () => {
    const raw = (value: string) => [{ raw: value }];
    expect(callHeadersOf({ headers: {} })).toBeUndefined();
    expect(
      callHeadersOf({
        headers: { From: raw("a"), "X-A": raw("1"), "X-Long": raw("x".repeat(1_020)), "X-C": raw("3") },
      }),
    ).toEqual({ "x-a": "1", "x-c": "3" });
  });
});

test("a reason of the network is short and plain", () => {
  const { sip } = sipError({ status: 486, reason: `Busy\u0000\u202e${"x".repeat(200)}` });
  expect(sip?.reason).toMatch(/^Busy {2}x+$/);
  expect(sip?.reason).toHaveLength(100);
});
