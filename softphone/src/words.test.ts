import { describe, expect, it } from "vitest";
import { duration, endWords, initials, opinion, qualityParts, type Situation, stateLine } from "./words";

const established: Situation = {
  state: "established",
  direction: "outgoing",
  connectedMs: 42_900,
  held: false,
  remoteHeld: false,
  interrupted: false,
  offline: false,
  name: "bob",
};

describe("durations", () => {
  it.each([
    [-5, "0:00"],
    [42_900, "0:42"],
    [727_000, "12:07"],
    [3_603_000, "1:00:03"],
  ])("%d ms is %s", (ms, text) => expect(duration(ms)).toBe(text));
});

describe("the state line", () => {
  it("follows a call", () => {
    const line = (state: Situation["state"]) => stateLine({ ...established, state });
    expect((["initiating", "ringing", "answered", "established"] as const).map(line)).toEqual([
      "Calling…",
      "Ringing…",
      "Connecting…",
      "Connected 0:42",
    ]);
  });

  it("says first what matters most", () => {
    expect(stateLine({ ...established, held: true, interrupted: true })).toBe("Reconnecting… 0:42");
    expect(stateLine({ ...established, held: true, remoteHeld: true })).toBe("On hold 0:42");
    expect(stateLine({ ...established, remoteHeld: true })).toBe("bob put you on hold 0:42");
    expect(stateLine({ ...established, offline: true })).toContain("the call goes on");
  });
});

describe("why a call ended", () => {
  it("depends on the side that one is on", () => {
    expect(endWords("denied", "outgoing", "bob", null)).toBe("bob declined.");
    expect(endWords("canceled", "outgoing", "bob", null)).toBe("You cancelled the call.");
    expect(endWords("canceled", "incoming", "bob", null)).toBe("bob gave up before you answered.");
    expect(endWords("noAnswer", "incoming", "bob", null)).toBe("You missed a call from bob.");
    expect(endWords("hungUp", "incoming", "bob", 61_000)).toBe("You talked for 1:01.");
  });
});

describe("quality", () => {
  it("has a word for each score", () => {
    expect([4.4, 4.1, 3.7, 3.2, 1].map(opinion)).toEqual(["Excellent", "Good", "Fair", "Poor", "Bad"]);
  });

  it("shows what there is", () => {
    expect(qualityParts({ mos: 4.41, roundTripMs: 12.4, jitterMs: 0, lossRatio: 0.0123 })).toEqual([
      "Excellent (MOS 4.4)",
      "round trip 12 ms",
      "jitter 0 ms",
      "loss 1.2 %",
    ]);
    expect(qualityParts({ mos: null })).toEqual([]);
  });
});

describe("initials", () => {
  it.each([
    ["bob", "B"],
    ["Ada Lovelace", "AL"],
    ["jean-luc.picard", "JP"],
    ["", "?"],
  ])("of %j are %s", (name, letters) => expect(initials(name)).toBe(letters));
});
