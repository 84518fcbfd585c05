import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { headersProblem, readSipAddress, resolveLine } from "./address";

const application = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const start = (to: string, more: object = {}) =>
  resolveLine(application, {
    op: "start",
    to,
    line: "phone",
    video: false,
    headers: {},
    offer: { type: "offer", sdp: "v=0" },
    ...more,
  });

describe("whom a call to a line is for", () => {
  it("is a number, the test number, or an address", () => {
    expect(start("+14155550101")).toMatchObject({ value: { line: "phone", userId: "+14155550101" } });
    expect(start("+46000000000")).toMatchObject({ value: { line: "test" } });
    expect(start("sip:Bob.B@Example.COM:5080", { line: "sip" })).toMatchObject({
      value: { line: "sip", userId: "Bob.B@example.com:5080", applicationKey: application },
    });
  });

  it("is not reached with video by phone, or with headers that are none of SIP's own", () => {
    expect(start("+14155550101", { video: true })).toMatchObject({ error: { name: "invalidValue" } });
    for (const headers of [{ Subject: "x" }, { "x-": "y" }, { "x-a\r\nVia": "y" }, { "x-a": "1\r\nVia: 2" }])
      expect(start("+14155550101", { headers }), JSON.stringify(headers)).toMatchObject({
        error: { name: "invalidValue" },
      });
    expect(start("+14155550101", { headers: { "x-order": "4711", "X-Name": "Ärger, “q”" } }).ok).toBe(true);
    expect(headersProblem({ [`x-${"a".repeat(80)}`]: "" })).toMatch(/too long/);
  });

  it.each([
    "bob",
    "@example.com",
    "bob@",
    "bob@exam ple.com",
    "bob@example.com\r\nVia: x",
    "bob\r\n@example.com",
    "<bob@example.com>",
    'b"ob@example.com',
    "bob@example.com>;tag=1",
    "bob@example.com;transport=udp",
    "bob@example.com?Subject=x",
    "bob@-.com",
    "bob@example..com",
    "bob:secret@example.com",
    "b%zzob@example.com",
    `bob@${"a".repeat(300)}`,
  ])("%j is no address", (text) => {
    expect(readSipAddress(text)).toMatchObject({ ok: false, error: { name: "invalidValue" } });
  });

  it("has nothing in it that ends a header, whatever it is made of", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary", maxLength: 60 }),
        fc.string({ maxLength: 60 }),
        (one, other) => {
          const read = readSipAddress(`${one}@${other}`);
          if (read.ok) expect(read.value).toMatch(/^[!-~]+$/);
          if (read.ok) expect(read.value).not.toMatch(/[<>"\\\s]/);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it("is read in no time, whatever it is made of", () => {
    const begun = performance.now();
    readSipAddress(`a@${"a".repeat(120)}!${"a-".repeat(60)}!`);
    readSipAddress(`a@${"a.".repeat(120)}!`);
    expect(performance.now() - begun).toBeLessThan(50);
  });
});
