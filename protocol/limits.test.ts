import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { serverLimits } from "./limits";

/** Milliseconds of an MP3 of 24 kHz: MPEG-2, layer III, mono, a frame of 576 samples after the other. */
function durationOf(mp3: Uint8Array): number {
  const kilobits = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
  let frames = 0;
  for (let at = 0; at < mp3.length; frames += 1) {
    const [sync = 0, version = 0, rates = 0, mode = 0] = mp3.subarray(at);
    expect([sync, version & 0xfe, (rates >> 2) & 3, mode >> 6]).toEqual([0xff, 0xf2, 1, 3]);
    at += 3 * (kilobits[rates >> 4] ?? 0) + ((rates >> 1) & 1);
  }
  return (frames * 576) / 24;
}

test("what the test number says is over before its call ends, with time for it to be fetched", () => {
  const ms = durationOf(readFileSync(`softphone/public${serverLimits.promptPath}`));
  expect(ms).toBe(7_248);
  const rest = serverLimits.promptSeconds * 1_000 - ms;
  expect(rest).toBeGreaterThan(500);
  expect(rest).toBeLessThan(3_000);
});
