import { describe, expect, it } from "vitest";
import {
  dayOf,
  duration,
  endWords,
  initials,
  invitationWords,
  leftWords,
  nameOf,
  opinion,
  pageTitle,
  qualityParts,
  rateWords,
  type Situation,
  shortTime,
  silenceWords,
  sipWords,
  stateLine,
  timeOfDay,
} from "./words";

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

describe("conferences", () => {
  it("are named by their sign, people by their names", () => {
    expect(nameOf({ conferenceId: "team", remoteUserId: "team", remoteDisplayName: "Anna" })).toBe("#team");
    expect(nameOf({ remoteUserId: "anna", remoteDisplayName: "Anna" })).toBe("Anna");
    expect(nameOf({ remoteUserId: "anna", remoteDisplayName: "" })).toBe("anna");
  });

  it("are joined and not called", () => {
    const conference = { ...established, conference: true };
    expect(stateLine({ ...conference, state: "progressing" })).toBe("Joining…");
    expect(stateLine({ ...conference, state: "ringing", direction: "incoming" })).toBe("Invitation");
    expect(stateLine(conference)).toBe("In the conference 0:42");
    expect(stateLine({ ...conference, offline: true })).toContain("the call goes on");
  });

  it("say why one is not in any more", () => {
    expect(leftWords("hungUp", undefined, 42_900)).toBe("You were in the conference for 0:42.");
    expect(leftWords("hungUp", "removed", 42_900)).toMatch(/taken out/);
    expect(leftWords("failure", "conferenceFull", null)).toMatch(/could not join/);
    expect(leftWords("failure", "mediaFailed", 5_000)).toMatch(/over for you/);
    expect(leftWords("noAnswer", undefined, null)).toMatch(/missed/);
    expect(leftWords("inactive", undefined, 5_000)).toMatch(/lost/);
  });

  it("say what becomes of somebody who was invited", () => {
    const error = { message: "No such user." };
    const sip = { message: "", sip: { status: 486, reason: "Busy Here" } };
    expect(invitationWords(undefined)).toMatch(/called/);
    expect(invitationWords({ state: "ringing" })).toMatch(/rung/);
    expect(invitationWords({ state: "ended", endCause: "denied" })).toBe("declined");
    expect(invitationWords({ state: "ended", endCause: "denied", error: sip })).toBe("was not reached: Busy");
    expect(invitationWords({ state: "ended", endCause: "failure", error })).toBe(
      "did not come: No such user.",
    );
  });

  it("say what the app's server decided", () => {
    expect(silenceWords({ muted: false, held: false })).toBeUndefined();
    expect(silenceWords({ muted: true, held: false })).toMatch(/muted/);
    expect(silenceWords({ muted: true, held: true })).toMatch(/hold/);
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

describe("times", () => {
  const at = (day: number, hour = 12) => new Date(2026, 10, day, hour).getTime();
  const now = at(20, 0);

  it("are days for those who read today", () => {
    const days = [at(20, 23), at(19, 23), at(19, 0), at(18), at(13)].map((time) => dayOf(time, now));
    expect(days.slice(0, 3)).toEqual(["Today", "Yesterday", "Yesterday"]);
    expect(days[3]).toMatch(/^\p{L}+$/u);
    expect(days[4]).toMatch(/2026/);
  });

  it("are short in a list", () => {
    expect(shortTime(at(20, 14), now)).toBe(timeOfDay(at(20, 14)));
    expect(shortTime(at(19), now)).toBe("Yesterday");
    expect(shortTime(at(2), now)).toMatch(/2/);
  });

  it("go over a change of clocks", () => {
    const days = Array.from({ length: 366 }, (_, day) => new Date(2026, 0, day, 1).getTime());
    expect(days.every((day, i) => i === 0 || dayOf(days[i - 1] ?? 0, day) === "Yesterday")).toBe(true);
  });
});

describe("the title of the page", () => {
  it("calls while it rings, and counts what is not read", () => {
    expect([pageTitle("bob", 0, 2), pageTitle("bob", 1_000, 2), pageTitle(undefined, 0, 0)]).toEqual([
      "bob is calling",
      "(2) Carillon",
      "Carillon",
    ]);
  });
});

describe("phones", () => {
  it("says in words what a phone network refused with, and what it says itself where there are none", () => {
    expect(sipWords({ status: 486, reason: "Busy Here" })).toBe("Busy");
    expect(sipWords({ status: 407, reason: "Proxy Authentication Required" })).toMatch(/password/);
    expect(sipWords({ status: 499, reason: "Odd" })).toBe("Odd");
    expect(sipWords({ status: 499, reason: "" })).not.toBe("");
  });

  it("says what a call costs", () => {
    const rate = { currency: "USD", perMinute: 20_000, connectFee: 0, increment: 60 };
    expect(rateWords(rate)).toMatch(/0[.,]02.* a minute$/);
    expect(rateWords({ ...rate, connectFee: 10_000 })).toMatch(/and .*0[.,]01.* once$/);
    expect(rateWords({ ...rate, perMinute: 0 })).toBe("free");
  });
});
