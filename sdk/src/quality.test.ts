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
  expect(warnings(quality)).toEqual(["loss"]);
});

test("a good line scores above 4, loss and delay take from it, and nothing scores below 1", () => {
  expect(estimateMos(20, 2, 0)).toBeGreaterThan(4.2);
  expect(estimateMos(20, 2, 0.05)).toBeLessThan(estimateMos(20, 2, 0.01));
  expect(estimateMos(800, 2, 0)).toBeLessThan(estimateMos(100, 2, 0));
  expect(estimateMos(5_000, 500, 1)).toBe(1);
});
