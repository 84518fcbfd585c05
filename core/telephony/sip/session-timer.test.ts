import { describe, expect, it, test } from "vitest";
import {
  agreedByAnswer,
  agreedByRequest,
  keptTimer,
  minimumOf,
  offeredTimer,
  timerDelay,
} from "./session-timer";

describe("session timers", () => {
  it("are offered, with the least that somebody has asked for", () => {
    expect(offeredTimer()).toEqual(["Session-Expires: 1800", "Min-SE: 90"]);
    expect(offeredTimer(300)).toEqual(["Session-Expires: 1800", "Min-SE: 300"]);
    expect(offeredTimer(3_600)).toEqual(["Session-Expires: 3600", "Min-SE: 3600"]);
  });

  test.each([
    [undefined, undefined],
    ["", undefined],
    ["soon", undefined],
    ["1800", { interval: 1_800, ours: true }],
    ["1800;refresher=uac", { interval: 1_800, ours: true }],
    [" 600 ; Refresher = UAS ;x=y", { interval: 600, ours: false }],
    ["1;refresher=uas", { interval: 90, ours: false }],
    ["999999999", { interval: 86_400, ours: true }],
  ])("%j settles %j", (text, expected) => {
    expect(agreedByAnswer(text)).toEqual(expected);
  });

  test.each<[string | undefined, boolean, boolean | undefined, string[]]>([
    [undefined, true, undefined, []],
    ["300;refresher=uac", true, false, ["Session-Expires: 300;refresher=uac", "Require: timer"]],
    ["300;refresher=uas", true, true, ["Session-Expires: 300;refresher=uas"]],
    ["300", true, false, ["Session-Expires: 300;refresher=uac", "Require: timer"]],
    ["300", false, true, ["Session-Expires: 300;refresher=uas"]],
  ])("of the far end, %j, supported: %s, is ours: %s", (text, supported, ours, headers) => {
    expect(agreedByRequest(text, supported)).toEqual({
      timer: ours === undefined ? undefined : { interval: 300, ours },
      headers,
    });
  });

  it("stay as they were", () => {
    expect(keptTimer({ interval: 300, ours: true })).toEqual(["Session-Expires: 300;refresher=uac"]);
    expect(keptTimer({ interval: 300, ours: false })).toEqual(["Session-Expires: 300;refresher=uas"]);
    expect(keptTimer(undefined)).toEqual([]);
  });

  it("are refreshed at half time, and given up a little before the end (RFC 4028, 10)", () => {
    expect(timerDelay({ interval: 1_800, ours: true })).toBe(900_000);
    expect(timerDelay({ interval: 1_800, ours: false })).toBe(1_768_000);
    expect(timerDelay({ interval: 90, ours: false })).toBe(60_000);
  });

  it("are longer where a 422 says so", () => {
    expect(minimumOf("3600")).toBe(3_600);
    expect(minimumOf(undefined)).toBeUndefined();
  });
});
