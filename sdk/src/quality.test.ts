import { expect, test } from "vitest";
import { estimateMos, readSample, warnings } from "./quality";

const report = (packetsReceived: number, packetsLost: number, bytesReceived: number) =>
  new Map<string, object>([
    ["T", { type: "transport", selectedCandidatePairId: "P" }],
    [
      "P",
      { type: "candidate-pair", localCandidateId: "L", remoteCandidateId: "R", currentRoundTripTime: 0.08 },
    ],
    ["L", { type: "local-candidate", candidateType: "host" }],
    ["R", { type: "remote-candidate", candidateType: "relay" }],
    ["C", { type: "codec", mimeType: "audio/opus" }],
    [
      "A",
      {
        type: "inbound-rtp",
        kind: "audio",
        codecId: "C",
        packetsReceived,
        packetsLost,
        bytesReceived,
        jitter: 0.01,
      },
    ],
  ]);

test("a sample has the numbers of the time since the one before", () => {
  const first = readSample(report(100, 0, 10_000), 0);
  const { quality } = readSample(report(140, 10, 14_000), 1_000, first);
  expect(quality).toMatchObject({
    roundTripMs: 80,
    jitterMs: 10,
    lossRatio: 0.2,
    audioKbps: 32,
    audioCodec: "opus",
    localCandidate: "host",
    remoteCandidate: "relay",
  });
  const reasons = warnings(quality).flatMap(([reason, active]) => (active ? [reason] : []));
  expect(reasons).toEqual(["loss"]);
});

test("a good line scores above 4, loss and delay take from it, and nothing scores below 1", () => {
  const mos = (roundTripMs: number, jitterMs: number, lossRatio: number) =>
    estimateMos({ roundTripMs, jitterMs, lossRatio });
  expect(mos(20, 2, 0)).toBeGreaterThan(4.2);
  expect(mos(20, 2, 0.05)).toBeLessThan(mos(20, 2, 0.01));
  expect(mos(800, 2, 0)).toBeLessThan(mos(100, 2, 0));
  expect(mos(5_000, 500, 1)).toBe(1);
});
